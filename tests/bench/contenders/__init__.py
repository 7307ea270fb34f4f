"""The processes that are measured: Utresa's workers as they are, and the programs in this directory."""
