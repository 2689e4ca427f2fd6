output "endpoint" {
  value       = aws_sagemaker_endpoint.server.name
  description = "The endpoint's name."
}

output "url" {
  value       = "sagemaker+https://runtime.sagemaker.${var.region}.${data.aws_partition.current.dns_suffix}/${aws_sagemaker_endpoint.server.name}"
  description = "What the client connects to."
}

output "repository_url" {
  value       = one(aws_ecr_repository.server[*].repository_url)
  description = "Where to push the image, if a repository was made."
}
