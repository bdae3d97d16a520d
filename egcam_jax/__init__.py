"""Expected Grad-CAM and its relatives as pure JAX functions."""
