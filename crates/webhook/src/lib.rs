//! Talking to customers' servers: signatures, forms, retries, egress, the HTTP client.
