"""What platforms would do under a load that this machine cannot make: pure, seeded, and fed with what was measured."""
