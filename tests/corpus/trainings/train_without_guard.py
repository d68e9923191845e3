"""A script that starts its training when it is merely imported, as a spawned worker does."""

from train import main

main()
