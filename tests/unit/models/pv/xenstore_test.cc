// Xenstore as a guest speaks to it: over the ring, message by message.
#include "models/pv/xenstore/server.h"

#include <doctest/doctest.h>
#include <xen/io/xs_wire.h>

#include <array>
#include <cstring>
#include <string>

using namespace xensim;
using namespace std::string_literals;

namespace {

struct Guest {
  alignas(8) std::array<std::byte, 4096> page{};
  xenstore_domain_interface& ring = *reinterpret_cast<xenstore_domain_interface*>(page.data());
  pv::XsStore store;
  pv::XsServer server{page, store, DomId{1}};
  std::string in;

  Guest() {
    store.make("/local/domain/1/device", DomId{0}).permissions = {{'n', DomId{0}}, {'r', DomId{1}}};
    store.find("/local/domain/1")->permissions = {{'n', DomId{0}}, {'r', DomId{1}}};
    store.make("/local/domain/1/data", DomId{0}).permissions = {{'n', DomId{1}}};
    store.make("/secret", DomId{0}).permissions = {{'n', DomId{0}}};
  }

  void put(std::string_view bytes) {
    for (const char c : bytes) ring.req[ring.req_prod++ & (XENSTORE_RING_SIZE - 1)] = c;
  }
  void drain() {
    while (ring.rsp_cons != ring.rsp_prod) in += ring.rsp[ring.rsp_cons++ & (XENSTORE_RING_SIZE - 1)];
  }
  static std::string wire(uint32_t type, const std::string& payload, uint32_t transaction = 0) {
    const xsd_sockmsg header{type, 7, transaction, static_cast<uint32_t>(payload.size())};
    return std::string(reinterpret_cast<const char*>(&header), sizeof header) + payload;
  }
  // The next message from the server: type and payload.
  std::pair<uint32_t, std::string> next() {
    drain();
    REQUIRE(in.size() >= sizeof(xsd_sockmsg));
    xsd_sockmsg header;
    std::memcpy(&header, in.data(), sizeof header);
    const std::string payload = in.substr(sizeof header, header.len);
    in.erase(0, sizeof header + header.len);
    return {header.type, payload};
  }
  std::string ask(uint32_t type, const std::string& payload, uint32_t transaction = 0) {
    put(wire(type, payload, transaction));
    CHECK(server.notified());
    const auto [got, text] = next();
    if (got == XS_ERROR) return "error " + text.substr(0, text.size() - 1);
    CHECK(got == type);
    return text;
  }
};

}  // namespace

TEST_CASE("reading, listing, writing, removing") {
  Guest guest;
  CHECK(guest.ask(XS_DIRECTORY, "device\0"s) == "");
  CHECK(guest.ask(XS_DIRECTORY, "/local/domain/1\0"s) == "data\0device\0"s);
  CHECK(guest.ask(XS_READ, "device/vbd\0"s) == "error ENOENT");
  CHECK(guest.ask(XS_WRITE, "data/a/b\0value"s) == "OK\0"s);
  CHECK(guest.ask(XS_READ, "/local/domain/1/data/a/b\0"s) == "value");
  CHECK(guest.ask(XS_GET_PERMS, "data/a\0"s) == "n1\0"s);
  CHECK(guest.ask(XS_RM, "data/a\0"s) == "OK\0"s);
  CHECK(guest.ask(XS_READ, "data/a/b\0"s) == "error ENOENT");
  CHECK(guest.ask(XS_RM, "data/a\0"s) == "OK\0"s);
  CHECK(guest.ask(XS_RM, "data/x/y\0"s) == "error ENOENT");
  CHECK(guest.ask(XS_GET_DOMAIN_PATH, "5\0"s) == "/local/domain/5\0"s);
}

TEST_CASE("what a guest may not do") {
  Guest guest;
  CHECK(guest.ask(XS_READ, "/secret\0"s) == "error EACCES");
  CHECK(guest.ask(XS_WRITE, "device/x\0y"s) == "error EACCES");
  CHECK(guest.ask(XS_WRITE, "/secret/x\0y"s) == "error EACCES");
  CHECK(guest.ask(XS_SET_PERMS, "device\0b1\0"s) == "error EACCES");
  CHECK(guest.ask(XS_READ, "//x\0"s) == "error EINVAL");
  CHECK(guest.ask(XS_RELEASE, "1\0"s) == "error EACCES");
  CHECK(guest.ask(99, "") == "error ENOSYS");
}

TEST_CASE("a watch fires when it is set and when something below it changes") {
  Guest guest;
  CHECK(guest.ask(XS_WATCH, "data\0tok\0"s) == "OK\0"s);
  CHECK(guest.next() == std::pair<uint32_t, std::string>{XS_WATCH_EVENT, "data\0tok\0"s});
  CHECK(guest.ask(XS_WATCH, "data\0tok\0"s) == "error EEXIST");
  CHECK(guest.ask(XS_WRITE, "data/a\0v"s) == "OK\0"s);
  CHECK(guest.next() == std::pair<uint32_t, std::string>{XS_WATCH_EVENT, "data/a\0tok\0"s});
  CHECK(guest.ask(XS_UNWATCH, "data\0tok\0"s) == "OK\0"s);
  CHECK(guest.ask(XS_UNWATCH, "data\0tok\0"s) == "error ENOENT");
  CHECK(guest.ask(XS_WRITE, "data/a\0w"s) == "OK\0"s);
  guest.drain();
  CHECK(guest.in.empty());
}

TEST_CASE("transactions: seen whole, or not at all, or again where another came first") {
  Guest guest;
  CHECK(guest.ask(XS_TRANSACTION_START, "\0"s) == "1\0"s);
  CHECK(guest.ask(XS_WRITE, "data/a\0v"s, 1) == "OK\0"s);
  CHECK(guest.ask(XS_READ, "data/a\0"s) == "error ENOENT");
  CHECK(guest.ask(XS_READ, "data/a\0"s, 1) == "v");
  CHECK(guest.ask(XS_TRANSACTION_END, "T\0"s, 1) == "OK\0"s);
  CHECK(guest.ask(XS_READ, "data/a\0"s) == "v");
  CHECK(guest.ask(XS_TRANSACTION_START, "\0"s) == "2\0"s);
  CHECK(guest.ask(XS_WRITE, "data/a\0x"s, 2) == "OK\0"s);
  CHECK(guest.ask(XS_WRITE, "data/b\0y"s) == "OK\0"s);
  CHECK(guest.ask(XS_TRANSACTION_END, "T\0"s, 2) == "error EAGAIN");
  CHECK(guest.ask(XS_READ, "data/a\0"s) == "v");
  CHECK(guest.ask(XS_READ, "data/a\0"s, 9) == "error ENOENT");
}

TEST_CASE("a message in pieces, replies larger than the ring, and a guest that breaks the protocol") {
  Guest guest;
  const std::string message = Guest::wire(XS_READ, "device\0"s);
  guest.put(message.substr(0, 5));
  guest.server.notified();
  guest.put(message.substr(5));
  guest.server.notified();
  CHECK(guest.next() == std::pair<uint32_t, std::string>{XS_READ, ""});
  const std::string value(900, 'v');
  CHECK(guest.ask(XS_WRITE, "data/long\0"s + value) == "OK\0"s);
  guest.put(Guest::wire(XS_READ, "data/long\0"s) + Guest::wire(XS_READ, "data/long\0"s));
  guest.server.notified();
  guest.drain();
  guest.server.notified();
  CHECK(guest.next().second == value);
  CHECK(guest.next().second == value);
  guest.put(Guest::wire(XS_READ, "").substr(0, 12) + "\xff\xff\xff\x7f");
  CHECK_FALSE(guest.server.notified());
  guest.put(message);
  CHECK_FALSE(guest.server.notified());
}

TEST_CASE("a guest has so many nodes, permissions and changes, and no more") {
  Guest guest;
  std::string answer;
  unsigned made = 0;
  for (; made < 2000; ++made) {
    answer = guest.ask(XS_WRITE, "data/" + std::to_string(made) + "\0x"s);
    if (answer != "OK\0"s) break;
  }
  CHECK(answer == "error ENOSPC");
  CHECK(made == 999);  // and `data` itself
  CHECK(guest.ask(XS_MKDIR, "data/a/b/c\0"s) == "error ENOSPC");
  CHECK(guest.ask(XS_WRITE, "data/0\0again"s) == "OK\0"s);
  CHECK(guest.ask(XS_RM, "data/0\0"s) == "OK\0"s);
  CHECK(guest.ask(XS_MKDIR, "data/a\0"s) == "OK\0"s);
  CHECK(guest.ask(XS_SET_PERMS, "data/1\0n1\0r2\0r3\0r4\0r5\0"s) == "OK\0"s);
  CHECK(guest.ask(XS_SET_PERMS, "data/1\0n1\0r2\0r3\0r4\0r5\0r6\0"s) == "error ENOSPC");
  for (const std::string& path : {"/" + std::string(3072, 'a'), std::string(2049, 'a')}) {
    const std::string request = Guest::wire(XS_READ, path + "\0"s);
    for (size_t at = 0; at < request.size(); at += 1000) {
      guest.put(std::string_view(request).substr(at, 1000));
      guest.server.notified();
    }
    CHECK(guest.next() == std::pair(uint32_t{XS_ERROR}, "EINVAL\0"s));
  }
}

TEST_CASE("a transaction ends at so many changes") {
  Guest guest;
  const uint32_t transaction = static_cast<uint32_t>(std::stoul(guest.ask(XS_TRANSACTION_START, "\0"s)));
  unsigned changes = 0;
  while (changes < 3000 && guest.ask(XS_WRITE, "data/x\0y"s, transaction) == "OK\0"s) ++changes;
  CHECK(changes == 1024);
}

TEST_CASE("while a guest takes no replies its requests stay in the ring") {
  Guest guest;
  CHECK(guest.ask(XS_WRITE, "data/x\0"s + std::string(900, 'v')) == "OK\0"s);
  const std::string request = Guest::wire(XS_READ, "data/x\0"s);
  size_t taken = 0;
  for (; taken < 1000; ++taken) {
    if (guest.ring.req_prod - guest.ring.req_cons + request.size() > XENSTORE_RING_SIZE) break;
    guest.put(request);
    guest.server.notified();
  }
  CHECK(taken > 64);
  CHECK(taken < 150);
  for (size_t i = 0; i < taken; ++i) {
    guest.server.notified();
    CHECK(guest.next() == std::pair(uint32_t{XS_READ}, std::string(900, 'v')));
  }
}

TEST_CASE("watch events that nobody takes are bounded") {
  pv::XsStore store;
  store.make("/local/domain/1/data", DomId{0}).permissions = {{'n', DomId{1}}};
  pv::XsConnection connection(store, DomId{1});
  const std::string token(2000, 't');
  for (unsigned i = 0; i < 128; ++i) {
    const auto answer = connection.handle({XS_WATCH, 0, 0, "data\0"s + std::to_string(i) + token + "\0"s});
    CHECK(answer.type == XS_WATCH);
    connection.take_events();
  }
  CHECK(connection.handle({XS_WATCH, 0, 0, "data\0more\0"s}).type == XS_ERROR);
  for (unsigned change = 0; change < 100; ++change) connection.node_changed("/local/domain/1/data/x");
  size_t bytes = 0;
  for (const pv::XsMessage& event : connection.take_events()) bytes += event.payload.size();
  CHECK(bytes > 128 * token.size());
  CHECK(bytes < 2 * 128 * token.size());
  // They come again once those were taken.
  connection.node_changed("/local/domain/1/data/x");
  CHECK(connection.take_events().size() == 128);
}
