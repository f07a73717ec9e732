# With another engine: make up COMPOSE=podman-compose
COMPOSE ?= docker compose
export COMPOSE

uv.lock:
	uv lock

secrets: ## Create the missing files in secrets/
	@sh docker/secrets.sh

up: uv.lock secrets ## Build the image, start the services and wait until they are healthy
	$(COMPOSE) up --build --detach --wait

up-dev: uv.lock secrets ## Start them in the foreground, with this folder's code and reload
	$(COMPOSE) -f compose.yaml -f compose.dev.yaml up --build

down: ## Stop and remove the containers, but no volume
	$(COMPOSE) down

logs: ## Follow the logs
	$(COMPOSE) logs --follow
