output "url" {
  value       = google_cloud_run_v2_service.server.uri
  description = "The service's URL: the audience of identity tokens. The client takes it with grpcs:// for https://."
}
