terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The first with invoked_via_function_url.
      version = ">= 6.29"
    }
  }
}

provider "aws" {
  region = var.region
}

data "aws_partition" "current" {}

locals {
  # Unset, each is as the image says.
  settings = {
    SDNN_MODEL_NAME = var.model_name
    SDNN_ENGINE     = var.engine
    SDNN_METRICS    = var.metrics == null ? null : tostring(var.metrics)
  }
  environment = merge({ for name, value in local.settings : name => value if value != null }, var.environment)
}

resource "aws_lambda_function" "server" {
  function_name                  = var.name
  package_type                   = "Image"
  image_uri                      = var.image
  role                           = aws_iam_role.server.arn
  memory_size                    = var.memory_mb
  timeout                        = var.timeout_s
  architectures                  = [var.architecture]
  reserved_concurrent_executions = var.reserved_concurrency
  publish                        = true

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  dynamic "environment" {
    for_each = length(local.environment) == 0 ? [] : [local.environment]

    content {
      variables = environment.value
    }
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.server.name
  }

  lifecycle {
    precondition {
      condition     = var.reserved_concurrency < 0 || coalesce(var.provisioned_concurrency, 0) <= var.reserved_concurrency
      error_message = "provisioned_concurrency must not be more than reserved_concurrency."
    }
  }

  # The first invocation may come before the role's policy is there.
  depends_on = [aws_iam_role_policy.server]
}

# Callers reach the alias: it moves to a new version once that is ready, and its URL stays the same.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.server.function_name
  function_version = aws_lambda_function.server.version
}

resource "aws_lambda_function_url" "server" {
  count = var.function_url == "none" ? 0 : 1

  function_name      = aws_lambda_function.server.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = var.function_url == "public" ? "NONE" : "AWS_IAM"
}

# New URLs need both permissions since October 2025; the second is bound to the URL, so that nobody may call the Invoke
# API.
resource "aws_lambda_permission" "public_url" {
  count = var.function_url == "public" ? 1 : 0

  statement_id           = "serverless-dnn-public-url"
  function_name          = aws_lambda_function.server.function_name
  qualifier              = aws_lambda_alias.live.name
  principal              = "*"
  action                 = "lambda:InvokeFunctionUrl"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "public_invoke" {
  count = var.function_url == "public" ? 1 : 0

  statement_id             = "serverless-dnn-public-invoke"
  function_name            = aws_lambda_function.server.function_name
  qualifier                = aws_lambda_alias.live.name
  principal                = "*"
  action                   = "lambda:InvokeFunction"
  invoked_via_function_url = true
}

resource "aws_lambda_provisioned_concurrency_config" "server" {
  count = var.provisioned_concurrency == null ? 0 : 1

  function_name                     = aws_lambda_function.server.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.provisioned_concurrency
}

resource "aws_cloudwatch_log_group" "server" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "server" {
  name_prefix        = "${substr(var.name, 0, 37)}-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "server" {
  name   = "log"
  role   = aws_iam_role.server.id
  policy = data.aws_iam_policy_document.log.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

# The image is pulled by Lambda itself, not with the role.
data "aws_iam_policy_document" "log" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.server.arn}:*"]
  }
}

# First: terraform apply -target=aws_ecr_repository.server -var repository=NAME ..., then push the image, then all.
resource "aws_ecr_repository" "server" {
  count = var.repository == null ? 0 : 1

  name                 = var.repository
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}
