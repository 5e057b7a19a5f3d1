"""What happens to trainings on shared machines, done to them: `make test-faults` names every fault and its seed."""
