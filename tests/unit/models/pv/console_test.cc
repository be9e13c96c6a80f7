// The console's backend against its ring, as a guest fills it: order, room, and indexes that lie.
#include "models/pv/console.h"

#include <doctest/doctest.h>
#include <xen/io/console.h>

#include <array>
#include <cstring>
#include <string>

using namespace xensim;

namespace {

struct Guest {
  alignas(8) std::array<std::byte, 4096> page{};
  xencons_interface& ring = *reinterpret_cast<xencons_interface*>(page.data());
  std::string said;
  pv::Console console{page, [this](std::string_view text) { said += text; }};

  void write(std::string_view text) {
    for (const char c : text) ring.out[ring.out_prod++ & (sizeof ring.out - 1)] = c;
  }
  std::string read() {
    std::string text;
    while (ring.in_cons != ring.in_prod) text += ring.in[ring.in_cons++ & (sizeof ring.in - 1)];
    return text;
  }
};

}  // namespace

TEST_CASE("what the guest writes comes out in order, around the ring's end too") {
  Guest guest;
  guest.ring.out_cons = guest.ring.out_prod = 0xffffffff - 3;
  guest.write("hello, console");
  CHECK(guest.console.notified());
  CHECK(guest.said == "hello, console");
  CHECK(guest.ring.out_cons == guest.ring.out_prod);
  CHECK_FALSE(guest.console.notified());
}

TEST_CASE("input that finds no room waits until the guest has read") {
  Guest guest;
  const std::string text(1500, 'x');
  CHECK(guest.console.input(text));
  CHECK(guest.read().size() == 1024);
  CHECK(guest.console.notified());
  CHECK(guest.read().size() == 476);
}

TEST_CASE("what is typed to a guest that does not read is bounded and the first of it is kept") {
  Guest guest;
  std::string typed;
  for (unsigned i = 0; i < 40'000; ++i) typed += std::to_string(i % 10) + "abc";
  for (size_t at = 0; at < typed.size(); at += 1000) guest.console.input(std::string_view(typed).substr(at, 1000));
  std::string read;
  for (std::string more = guest.read(); !more.empty(); more = guest.read()) {
    read += more;
    guest.console.notified();
  }
  CHECK(read.size() == 1024 + (64 << 10));
  CHECK(typed.starts_with(read));
  // There is room again.
  CHECK(guest.console.input("x"));
  CHECK(guest.read() == "x");
}

TEST_CASE("indexes that do not fit the ring: nothing is read or written") {
  Guest guest;
  guest.ring.out_prod = 5000;
  guest.ring.in_prod = 3;
  guest.ring.in_cons = 4;
  CHECK_FALSE(guest.console.notified());
  CHECK(guest.said.empty());
  CHECK_FALSE(guest.console.input("x"));
  CHECK(guest.ring.in_prod == 3);
}
