variable "image" {
  type        = string
  description = "The image in ECR, best by its digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:..."

  validation {
    condition     = can(regex("^\\d{12}\\.dkr[.-]ecr", var.image))
    error_message = "SageMaker takes images from ECR only: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG."
  }
}

variable "model_data_url" {
  type        = string
  description = "The model.tar.gz in S3, <model>/<version>/saved_model.pb and perhaps code/: s3://BUCKET/KEY."

  validation {
    condition     = can(regex("^s3://[^/]+/.+\\.tar\\.gz$", var.model_data_url))
    error_message = "Expected s3://BUCKET/KEY.tar.gz."
  }
}

variable "region" {
  type        = string
  default     = "eu-west-1"
  description = "Where the endpoint runs; the image must be in the same region."
}

variable "name" {
  type        = string
  default     = "serverless-dnn"
  description = "The endpoint's name."

  validation {
    # The names of the role and the configuration are this and 26 characters more; a role's has at most 64.
    condition     = can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,36}$", var.name))
    error_message = "At most 37 letters, digits and hyphens between them."
  }
}

variable "memory_mb" {
  type        = number
  default     = 2048
  description = "Memory of an instance; its share of a CPU grows with it."

  validation {
    condition     = contains([1024, 2048, 3072, 4096, 5120, 6144], var.memory_mb)
    error_message = "One of 1024, 2048, 3072, 4096, 5120 and 6144."
  }
}

variable "max_concurrency" {
  type        = number
  default     = 5
  description = "The most invocations at once; more are refused."

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 200
    error_message = "From 1 to 200."
  }
}

variable "provisioned_concurrency" {
  type        = number
  default     = null
  description = "Instances kept warm, and paid for, without invocations."

  validation {
    condition     = coalesce(var.provisioned_concurrency, 1) >= 1 && coalesce(var.provisioned_concurrency, 1) <= 200
    error_message = "From 1 to 200."
  }
}

variable "concurrency" {
  type        = number
  default     = 80
  description = "Invocations that run or wait in one instance at once; more are refused."
}

variable "environment" {
  type        = map(string)
  default     = {}
  description = "More environment variables of the server, such as SDNN_ENGINE."
}

variable "repository" {
  type        = string
  default     = null
  description = "The name of an ECR repository to make; none when absent."
}
