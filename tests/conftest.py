import composed  # noqa: F401  (sets how threads wait, before torch loads)

# isort: split
import torch

torch.set_num_threads(1)  # the toys are small, and tests may run side by side
