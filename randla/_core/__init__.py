"""What all stems share: dispatch, validation, random streams, results, configuration."""
