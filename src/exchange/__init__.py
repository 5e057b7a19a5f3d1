"""To and from other frameworks: fairseq, Hugging Face, safetensors."""
