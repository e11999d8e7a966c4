"""What protects each port and each way in: meshes, encryption between nodes, entry points, certificates (pure)."""
