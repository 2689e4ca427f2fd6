"""What is sent and received, without sending it: messages, bodies, envelopes."""
