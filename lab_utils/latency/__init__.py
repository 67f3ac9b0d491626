"""Where a second goes: techniques, extras, their ablation, fitted provider profiles, exported workers."""
