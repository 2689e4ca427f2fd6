"""SageMaker Serverless Inference on this machine."""
