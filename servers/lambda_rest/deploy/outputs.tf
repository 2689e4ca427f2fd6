output "url" {
  value       = one(aws_lambda_function_url.server[*].function_url)
  description = "The function's URL, which the client connects to, if it has one; sign requests unless it is public."
}

output "invoke_url" {
  value       = "lambda+https://lambda.${var.region}.${data.aws_partition.current.dns_suffix}/${aws_lambda_function.server.function_name}:${aws_lambda_alias.live.name}"
  description = "What the client connects to instead, by Lambda's Invoke API."
}

output "repository_url" {
  value       = one(aws_ecr_repository.server[*].repository_url)
  description = "Where to push the image, if a repository was made."
}
