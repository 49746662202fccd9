//! The HTTP API: authentication, forms, paging, resources, rendering.
