"""Describe how images were acquired, and measure how well that alone separates two groups of images."""
