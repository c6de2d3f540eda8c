/* The JDK's HTTP server and client, and its plain sockets with a thread that is blocked in them when they are closed. */
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;

public class HttpPair {
    static byte[] bytes(int seed, int size) {
        byte[] data = new byte[size];
        new Random(seed).nextBytes(data);
        return data;
    }

    static void check(boolean ok, String what) {
        if (!ok) {
            System.out.println("wrong: " + what);
            System.exit(1);
        }
    }

    /* /get/N answers with bytes(N, N), /echo with what was sent; /quit ends the server. */
    static void server(int port) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/get/", exchange -> {
            int n = Integer.parseInt(exchange.getRequestURI().getPath().substring(5));
            exchange.sendResponseHeaders(200, n);
            try (var out = exchange.getResponseBody()) {
                out.write(bytes(n, n));
            }
        });
        server.createContext("/echo", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            try (var out = exchange.getResponseBody()) {
                exchange.getRequestBody().transferTo(out);
            }
        });
        server.createContext("/quit", exchange -> {
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
            new Thread(() -> {
                server.stop(0);
                System.exit(0);
            }).start();
        });
        echo(port + 1);
        server.start();
    }

    /* Echoes each connection until its end. */
    static void echo(int port) throws IOException {
        ServerSocket listener = new ServerSocket(port);
        Thread acceptor = new Thread(() -> {
            while (true) {
                try {
                    Socket s = listener.accept();
                    new Thread(() -> {
                        try (s) {
                            s.getInputStream().transferTo(s.getOutputStream());
                        } catch (IOException e) {
                            System.out.println("echo: " + e);
                        }
                    }).start();
                } catch (IOException e) {
                    return;
                }
            }
        });
        acceptor.setDaemon(true);
        acceptor.start();
    }

    static void http(String base) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        List<CompletableFuture<HttpResponse<byte[]>>> all = new ArrayList<>();
        for (int i = 0; i < 24; i++) {
            int n = 1 + i * 40000;
            all.add(client.sendAsync(HttpRequest.newBuilder(URI.create(base + "/get/" + n)).build(),
                HttpResponse.BodyHandlers.ofByteArray()));
        }
        for (int i = 0; i < 24; i++) {
            int n = 1 + i * 40000;
            check(Arrays.equals(all.get(i).get().body(), bytes(n, n)), "get " + n);
        }
        byte[] large = bytes(7, 3_000_000);
        HttpResponse<byte[]> echoed = client.send(HttpRequest.newBuilder(URI.create(base + "/echo"))
            .POST(HttpRequest.BodyPublishers.ofByteArray(large)).build(), HttpResponse.BodyHandlers.ofByteArray());
        check(Arrays.equals(echoed.body(), large), "echo");
        System.out.println("http ok");
    }

    static void sockets(String host, int port) throws Exception {
        byte[] data = bytes(9, 500_000);
        try (Socket s = new Socket(host, port)) {
            Thread writer = new Thread(() -> {
                try {
                    s.getOutputStream().write(data);
                    s.shutdownOutput();
                } catch (IOException e) {
                    System.out.println("write: " + e);
                }
            });
            writer.start();
            check(Arrays.equals(s.getInputStream().readAllBytes(), data), "half-close");
            writer.join();
        }
        try (Socket s = new Socket(host, port)) {
            s.setSoTimeout(100);
            s.getOutputStream().write(65);
            InputStream in = s.getInputStream();
            s.setSoTimeout(30000);
            check(in.read() == 65, "one byte");
            s.setSoTimeout(100);
            try {
                in.read();
                check(false, "no timeout");
            } catch (SocketTimeoutException e) {
                System.out.println("timeout ok");
            }
        }
        Socket s = new Socket(host, port);
        CompletableFuture<String> outcome = new CompletableFuture<>();
        Thread reader = new Thread(() -> {
            try {
                outcome.complete("read " + s.getInputStream().read());
            } catch (SocketException e) {
                outcome.complete("closed");
            } catch (IOException e) {
                outcome.complete(e.toString());
            }
        });
        reader.start();
        Thread.sleep(200);
        s.close();
        check(outcome.get().equals("closed"), "close under a blocked reader: " + outcome.get());
        reader.join();
        System.out.println("sockets ok");
    }

    /* HttpPair server PORT | client PORT HOST... */
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[1]);
        if (args[0].equals("server")) {
            server(port);
            return;
        }
        String base = null;
        for (String host : Arrays.asList(args).subList(2, args.length)) {
            System.out.println(host);
            base = "http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
            http(base);
            sockets(host, port + 1);
        }
        HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(base + "/quit")).build(),
            HttpResponse.BodyHandlers.discarding());
    }
}
