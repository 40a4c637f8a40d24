"""The worker: preprocessing, training, applying, merging, surfaces, measuring. Never imports bpy."""
