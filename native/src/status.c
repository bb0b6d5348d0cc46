#include "randla.h"

const char *rl_strerror(int status) {
  switch (status) {
#define X(name, number, exception, message) \
  case number: return message;
#include "randla/status.def"
#undef X
    default: return "unknown status code";
  }
}

const char *rl_version(void) { return RANDLA_VERSION; }
