"""What nature is: nuclides, emissions, materials, attenuation, stopping power, anatomy."""
