"""Pairs of visible and infrared images, and the contrastive loss between them (MACL)."""
