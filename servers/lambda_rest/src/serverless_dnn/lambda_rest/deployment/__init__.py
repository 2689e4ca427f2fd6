"""Deploying the server as a Lambda function."""
