"""Composed fine-tuning: train a base predictor through a frozen, pre-trained denoiser (Xie, Ma, Liang, 2021)."""
