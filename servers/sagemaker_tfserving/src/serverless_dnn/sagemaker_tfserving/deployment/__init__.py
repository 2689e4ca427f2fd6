"""Deploying to SageMaker: the archive, the plan of calls, and carrying it out."""
