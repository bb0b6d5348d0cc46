#include "probe.h"

#include <string.h>

#include "lapack.h"

#define RL_TYPE_S
#include "generic.h"
#include "probe.inc"
#define RL_TYPE_D
#include "generic.h"
#include "probe.inc"
#define RL_TYPE_C
#include "generic.h"
#include "probe.inc"
#define RL_TYPE_Z
#include "generic.h"
#include "probe.inc"
