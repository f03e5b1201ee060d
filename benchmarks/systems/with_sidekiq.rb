# Sidekiq on Ruby. Its command requires this file again for the job's class.

require "digest"
require "json"
require "sidekiq"

# Debian's redis gem prints two deprecation lines per job, which no user would keep.
Redis.silence_deprecations = true

TASKS = 32
BULK = 1000
REQUEST = JSON.parse(ENV["BENCH_REQUEST"] ||= ARGV.first)
CHANNEL_IDS = (0...100).map do |n|
  "UC" + [Digest::SHA256.digest(n.chr)].pack("m0").tr("+/", "-_")[0, 22]
end

def answer(fields)
  File.write(REQUEST["out"] + ".part", JSON.generate(fields))
  File.rename(REQUEST["out"] + ".part", REQUEST["out"])
end

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

def cpu = Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID)

# Counts jobs inside the job itself, and ends the process with the last one.
class Meter
  def initialize(jobs)
    @left = jobs
    @lock = Mutex.new
  end

  def count
    @lock.synchronize do
      @left -= 1
      @first ||= now
      @cpu_before ||= cpu
      if @left.zero?
        answer("jobs" => REQUEST["jobs"], "seconds" => now - @first, "cpu_s" => cpu - @cpu_before)
        exit!(0)
      end
    end
  end
end

METER = Meter.new(REQUEST["jobs"])

class Touch
  include Sidekiq::Worker

  def perform(_channel_id, _position)
    METER.count
  end
end

Sidekiq.configure_server do |config|
  config.redis = { url: REQUEST["url"] }
  config.logger.level = Logger.const_get(REQUEST["level"] == "INFO" ? :INFO : :WARN)
end

Sidekiq.configure_client do |config|
  config.redis = { url: REQUEST["url"], size: TASKS }
end

def enqueue
  positions = (0...REQUEST["jobs"]).each_slice((REQUEST["jobs"] / TASKS.to_f).ceil)
  positions.map do |own|
    Thread.new { own.each { |n| Touch.perform_async(CHANNEL_IDS[n % 100], n) } }
  end.each(&:join)
end

def enqueue_in_bulk
  (0...REQUEST["jobs"]).each_slice(BULK) do |positions|
    Touch.perform_bulk(positions.map { |n| [CHANNEL_IDS[n % 100], n] })
  end
end

def client
  Sidekiq.redis(&:ping)
  started = now
  yield
  answer("jobs" => REQUEST["jobs"], "seconds" => now - started)
end

def drain
  exec("ruby", "-S", "sidekiq", "-r", File.expand_path(__FILE__), "-e", "production",
    "-c", REQUEST["concurrency"].to_s)
end

if $PROGRAM_NAME == __FILE__
  case REQUEST["command"]
  when "about"
    yjit = defined?(RubyVM::YJIT) && RubyVM::YJIT.enabled? ? " with YJIT" : ""
    answer("version" => "sidekiq #{Sidekiq::VERSION}, redis gem #{Redis::VERSION}, ruby #{RUBY_VERSION}#{yjit}")
  when "drain" then drain
  when "enqueue-bulk" then client { enqueue_in_bulk }
  else client { enqueue }
  end
end
