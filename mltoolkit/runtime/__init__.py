"""Running a model: sessions, image preparation, classifier outputs, pipelines and custom-layer partitions."""
