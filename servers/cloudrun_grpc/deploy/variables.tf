variable "project" {
  type        = string
  description = "The Google Cloud project."
}

variable "image" {
  type        = string
  description = "The image, best by its digest: REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME@sha256:..."
}

variable "region" {
  type        = string
  default     = "europe-west1"
  description = "Where the service runs."
}

variable "name" {
  type        = string
  default     = "serverless-dnn"
  description = "The service's name."
}

variable "service_account" {
  type        = string
  default     = null
  description = "The identity the server runs as; it needs no role. The project's default account when absent."
}

variable "invokers" {
  type        = set(string)
  default     = []
  description = "Who may call it, such as serviceAccount:app@PROJECT.iam.gserviceaccount.com; allUsers opens it to everyone."
}

variable "cpu" {
  type        = number
  default     = 2
  description = "vCPUs of an instance."
}

variable "memory" {
  type        = string
  default     = "2Gi"
  description = "Memory of an instance; files written count."
}

variable "concurrency" {
  type        = number
  default     = 8
  description = "Requests an instance is given at once."
}

variable "timeout_s" {
  type        = number
  default     = 60
  description = "How long a request may take, an instance's start included."
}

variable "min_instances" {
  type        = number
  default     = 0
  description = "Instances kept warm, and paid for, without requests."
}

variable "max_instances" {
  type        = number
  default     = 10
  description = "The most instances."
}

variable "deletion_protection" {
  type        = bool
  default     = true
  description = "Whether terraform destroy is refused."
}
