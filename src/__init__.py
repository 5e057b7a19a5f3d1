"""Composed fine-tuning: train a base predictor through a frozen, pre-trained denoiser (Xie, Ma, Liang, 2021)."""

import os

# Waiting threads should sleep, not spin: on a busy machine spinning slows a step severalfold. Read when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
