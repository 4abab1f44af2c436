"""Pictures and texts -> what a model takes, under the names of Hugging Face."""
