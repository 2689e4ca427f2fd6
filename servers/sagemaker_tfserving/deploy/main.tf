terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = var.region
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  archive   = regex("^s3://(?P<bucket>[^/]+)/(?P<key>.+)$", var.model_data_url)
  image     = regex("^(?P<account>\\d{12})[^/]+/(?P<repository>[^:@]+)", var.image)
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  log_group = "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/sagemaker/Endpoints/${var.name}"
  # Neither a model nor a configuration can be changed once made, so what changes them changes their names.
  revision = substr(sha256(jsonencode([var.image, var.model_data_url, local.environment])), 0, 8)
  environment = merge(var.environment, {
    # The server's own bound, the same as the platform's.
    SDNN_CONCURRENCY = tostring(var.concurrency)
  })
}

resource "aws_sagemaker_model" "server" {
  name               = "${var.name}-${local.revision}"
  execution_role_arn = aws_iam_role.server.arn

  primary_container {
    image          = var.image
    model_data_url = var.model_data_url
    environment    = local.environment
  }

  lifecycle {
    create_before_destroy = true
  }

  # SageMaker looks for the archive and the image with the role's rights when the model is made.
  depends_on = [aws_iam_role_policy.server]
}

resource "aws_sagemaker_endpoint_configuration" "server" {
  name_prefix = "${var.name}-"

  production_variants {
    variant_name = "AllTraffic"
    model_name   = aws_sagemaker_model.server.name

    serverless_config {
      memory_size_in_mb       = var.memory_mb
      max_concurrency         = var.max_concurrency
      provisioned_concurrency = var.provisioned_concurrency
    }
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = coalesce(var.provisioned_concurrency, 1) <= var.max_concurrency
      error_message = "provisioned_concurrency must not be more than max_concurrency."
    }
  }
}

resource "aws_sagemaker_endpoint" "server" {
  name                 = var.name
  endpoint_config_name = aws_sagemaker_endpoint_configuration.server.name
}

resource "aws_iam_role" "server" {
  name_prefix        = "${var.name}-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "server" {
  name   = "serve"
  role   = aws_iam_role.server.id
  policy = data.aws_iam_policy_document.serve.json
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    # Nobody else's SageMaker.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "serve" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["arn:${local.partition}:s3:::${local.archive.bucket}/${local.archive.key}"]
  }

  statement {
    actions   = ["s3:ListBucket"]
    resources = ["arn:${local.partition}:s3:::${local.archive.bucket}"]
  }

  # Tokens are of the account, not of a repository.
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:${var.region}:${local.image.account}:repository/${local.image.repository}"]
  }

  statement {
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    # The group, and the streams in it.
    resources = [local.log_group, "${local.log_group}:*"]
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
