set :application, "realistic"
set :repo_url, ENV.fetch("PEER_REPOSITORY")
set :branch, "main"
set :deploy_to, ENV.fetch("PEER_FOLDER")
set :keep_releases, 3
set :linked_files, %w[.env]
set :linked_dirs, %w[storage/app storage/logs storage/framework/sessions storage/framework/cache/data]

# Where PHP, Composer and Node are, as in a deployment of ours.
def inside(*words)
  execute :docker, :exec, "--workdir", release_path, ENV.fetch("PEER_CONTAINER"), *words
end

namespace :application do
  task :build do
    on roles(:app) do
      inside :composer, :install, "--no-dev", "--prefer-dist", "--no-interaction", "--no-progress", "--optimize-autoloader"
      inside :npm, :ci, "--no-audit", "--no-fund"
      inside :npm, :run, :build
      %w[config:cache storage:link event:cache route:cache view:cache].each { |name| inside :php, :artisan, name }
      inside :php, :artisan, :migrate, "--force"
    end
  end

  task :restart_queue do
    on roles(:app) do
      inside :php, :artisan, "queue:restart"
    end
  end
end

after "deploy:updated", "application:build"
after "deploy:published", "application:restart_queue"
