"""The local endpoint's name and its limits."""

ENDPOINT_NAME = "sdnn"
# https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-invoke.html
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
REQUEST_TIMEOUT_S = 60.0
