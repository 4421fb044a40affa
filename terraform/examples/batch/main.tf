# Index runs on spot machines of their own, and a small host that serves what they made.

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "sightsound" }
  }
}

module "storage" {
  source = "../../modules/storage"

  delete_what_is_inside = var.delete_what_is_inside
}

module "network" {
  source = "../../modules/network"

  zones = 2
}

module "index" {
  source = "../../modules/index"

  image          = "${module.storage.repository.url}:${var.image_tag}"
  repository_arn = module.storage.repository.arn
  vpc_id         = module.network.vpc_id
  subnet_ids     = module.network.public_subnet_ids
  media_bucket   = module.storage.media_bucket
  index_bucket   = module.storage.index_bucket
  schedule       = var.schedule
  options        = ["--prune"]
}

module "serve" {
  source = "../../modules/serve"

  store          = "backup"
  image          = "${module.storage.repository.url}:${var.image_tag}"
  repository_arn = module.storage.repository.arn
  vpc_id         = module.network.vpc_id
  subnet_ids     = module.network.public_subnet_ids
  media_bucket   = module.storage.media_bucket
  index_bucket   = module.storage.index_bucket
}
