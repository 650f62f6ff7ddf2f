"""What nature is: nuclides, emissions, materials, attenuation."""
