"""What runs inside the training process.

Standard library and mmengine only, and nothing newer than Python 3.8: this code is loaded into
whatever Python the training uses. It never raises into the training: what fails is written to
``agent-error.txt`` beside the heartbeat.
"""
