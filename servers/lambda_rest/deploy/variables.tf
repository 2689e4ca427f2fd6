variable "image" {
  type        = string
  description = "The image in ECR, best by its digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY@sha256:..."

  validation {
    condition     = can(regex("^\\d{12}\\.dkr[.-]ecr", var.image))
    error_message = "Lambda takes images from ECR only: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG."
  }
}

variable "region" {
  type        = string
  default     = "eu-west-1"
  description = "Where the function runs; the image must be in the same region."
}

variable "name" {
  type        = string
  default     = "serverless-dnn"
  description = "The function's name."

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,64}$", var.name))
    error_message = "1 to 64 letters, digits, hyphens and underscores."
  }
}

variable "memory_mb" {
  type        = number
  default     = 3008
  description = "Memory of an instance; each 1769 MB are one vCPU, so that it decides the speed too."

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "From 128 to 10240."
  }
}

variable "timeout_s" {
  type        = number
  default     = 60
  description = "How long an invocation may take."

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900
    error_message = "From 1 to 900."
  }
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "What the image was built for."

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "One of x86_64 and arm64."
  }
}

variable "function_url" {
  type        = string
  default     = "iam"
  description = "Who may call the function's URL. iam: who signs requests and may; public: everybody; none: there is no URL."

  validation {
    condition     = contains(["none", "iam", "public"], var.function_url)
    error_message = "One of none, iam and public."
  }
}

variable "ephemeral_storage_mb" {
  type        = number
  default     = 512
  description = "The size of /tmp."

  validation {
    condition     = var.ephemeral_storage_mb >= 512 && var.ephemeral_storage_mb <= 10240
    error_message = "From 512 to 10240."
  }
}

variable "provisioned_concurrency" {
  type        = number
  default     = null
  description = "Instances kept warm, and paid for, without invocations."
}

variable "reserved_concurrency" {
  type        = number
  default     = -1
  description = "The most invocations at once, set aside from the account's; -1 for no limit of its own."
}

variable "log_retention_days" {
  type        = number
  default     = 30
  description = "How long the log is kept."
}

variable "model_name" {
  type        = string
  default     = null
  description = "The name of the image's only model; that of its folder when absent."
}

variable "engine" {
  type        = string
  default     = null
  description = "What runs models; as the image says when absent."
}

variable "metrics" {
  type        = bool
  default     = null
  description = "Whether each invocation logs a line of CloudWatch metrics; as the image says when absent."
}

variable "environment" {
  type        = map(string)
  default     = {}
  description = "More environment variables of the server."
}

variable "repository" {
  type        = string
  default     = null
  description = "The name of an ECR repository to make; none when absent."
}
