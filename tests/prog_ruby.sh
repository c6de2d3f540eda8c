#!/bin/sh
# ruby: a server with a thread for each connection, copy_stream (sendfile), non-blocking I/O, Net::HTTP, a socket passed by send_io.
. "$top_srcdir/tests/proglib.sh"
prog_start ruby ss
ruby -rsocket -rnet/http -rdigest -e 1 2>/dev/null || skip "ruby is without its standard library"
sample_file file 3000000
cat >"$NETLAB_TMP/server.rb" <<'END'
require 'digest'
require 'socket'
host, path = ARGV
# 8080: HTTP with one thread for each connection. 8081: a child process gets each connection through a local socket.
http = TCPServer.new(host, 8080)
passed = TCPServer.new(host, 8081)
ours, theirs = UNIXSocket.pair
fork do
  ours.close
  http.close
  passed.close
  loop do
    s = theirs.recv_io(TCPSocket)
    s.write(Digest::SHA256.hexdigest(s.read))
    s.close
  end
rescue SocketError, EOFError
  exit!(0)
end
theirs.close
Thread.new { loop { s = passed.accept; ours.send_io(s); s.close } }
loop do
  Thread.new(http.accept) do |s|
    while (request = s.gets)
      headers = {}
      while (line = s.gets.chomp) != ''
        name, value = line.split(': ', 2)
        headers[name.downcase] = value
      end
      if request.start_with?('POST')
        sum = Digest::SHA256.hexdigest(s.read(headers['content-length'].to_i))
        s.write("HTTP/1.1 200 OK\r\nContent-Length: #{sum.size}\r\n\r\n#{sum}")
      else
        s.write("HTTP/1.1 200 OK\r\nContent-Length: #{File.size(path)}\r\n\r\n")
        File.open(path) { |f| IO.copy_stream(f, s) }
      end
    end
    s.close
  end
end
END
cat >"$NETLAB_TMP/client.rb" <<'END'
require 'digest'
require 'net/http'
require 'socket'
host, path = ARGV
data = File.binread(path)
Net::HTTP.start(host, 8080) do |http|
  3.times { raise 'get' unless http.get('/').body == data }
  raise 'post' unless http.post('/', data).body == Digest::SHA256.hexdigest(data)
end
threads = (1..6).map do |i|
  Thread.new do
    part = data[0, i * 100_000]
    s = TCPSocket.new(host, 8081)
    raise 'peer' unless s.remote_address.ip_address == host && s.remote_address.ip_port == 8081
    at = 0
    while at < part.size
      case n = s.write_nonblock(part.byteslice(at..), exception: false)
      when :wait_writable then IO.select(nil, [s])
      else at += n
      end
    end
    s.close_write
    raise "sum #{i}" unless s.read == Digest::SHA256.hexdigest(part)
  end
end
threads.each(&:join)
begin
  TCPSocket.new(host, 8082)
  raise 'connected'
rescue Errno::ECONNREFUSED
  puts 'ok'
end
END
for address in $NETLAB_B4 $NETLAB_B6; do
	step "$address"
	start_b 8080-8082 ruby "$NETLAB_TMP/server.rb" "$address" "$NETLAB_TMP/file" 2>"$NETLAB_TMP/server.log"
	wait_kcp 8080
	wait_kcp 8081
	[ "$(ask_a 8080-8082 ruby "$NETLAB_TMP/client.rb" "$address" "$NETLAB_TMP/file" 2>"$NETLAB_TMP/client.log")" = ok ] ||
		fail "client: $(cat "$NETLAB_TMP"/*.log)"
	kill "$started"
	wait "$started"
	is_free() { ! on_kcp 8080 && ! on_kcp 8081; }
	wait_until 20 is_free || fail "a port is still bound"
done
exit 0
