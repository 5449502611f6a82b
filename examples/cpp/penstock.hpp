// The wire of durable streams, as docs/reference/stream-wire.md has it: as much of it as a producer and a consumer need.
// POSIX and the standard library only. It does not speak TLS, and it does not connect again when a connection breaks.
#pragma once

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they lie in memory");

namespace penstock {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// ---- CRC-32C -------------------------------------------------------------------------------------------------------

inline std::uint32_t crc32c(const std::string& bytes, std::uint32_t crc = 0) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t n = 0; n < 256; ++n) {
            made[n] = n;
            for (int bit = 0; bit < 8; ++bit) made[n] = (made[n] >> 1) ^ (made[n] & 1 ? 0x82f63b78u : 0);
        }
        return made;
    }();
    crc = ~crc;
    for (unsigned char byte : bytes) crc = (crc >> 8) ^ table[(crc ^ byte) & 0xff];
    return ~crc;
}

// ---- MessagePack ---------------------------------------------------------------------------------------------------

template <typename T> void put(std::string& out, T number) {  // little endian
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <typename T> T get(const std::string& bytes, std::size_t at) {
    T number;
    if (at > bytes.size() || bytes.size() - at < sizeof number) throw Error("bytes end too early");
    std::memcpy(&number, bytes.data() + at, sizeof number);
    return number;
}

// Writes one array, whose length is said first. Always the widest form: a reader takes any.
struct Packed {
    std::string bytes;
    explicit Packed(std::uint8_t length) : bytes(1, static_cast<char>(0x90 | length)) {}  // at most 15
    Packed& number(std::uint64_t value) { return tagged('\xcf', value, 8); }
    Packed& text(const std::string& value) {
        tagged('\xdb', value.size(), 4).bytes += value;
        return *this;
    }
    Packed& truth(bool value) {
        bytes += value ? '\xc3' : '\xc2';
        return *this;
    }
    Packed& array(const Packed& value) {
        bytes += value.bytes;
        return *this;
    }

private:
    Packed& tagged(char tag, std::uint64_t value, int size) {
        bytes += tag;
        while (size--) bytes += static_cast<char>(value >> 8 * size);
        return *this;
    }
};

// What was read. A field that is left out at the end is nil, which counts as 0, false and empty.
struct Value {
    enum { nil, number, text, array, map, other } kind = nil;
    std::uint64_t bits = 0;
    std::string string;
    std::vector<Value> items;  // of a map: key, value, key, value

    std::uint64_t count() const {
        if (kind != nil && kind != number) throw Error("a number was expected");
        return bits;
    }
    const Value& operator[](std::size_t n) const {
        static const Value none;
        return n < items.size() ? items[n] : none;
    }
    const Value& of(const std::string& key) const {
        for (std::size_t n = 0; kind == map && n + 1 < items.size(); n += 2)
            if (items[n].string == key) return items[n + 1];
        return (*this)[items.size()];
    }
};

class Unpacker {
public:
    explicit Unpacker(const std::string& bytes) : bytes_(bytes) {}
    Value value(int depth = 0) {
        const auto tag = static_cast<std::uint8_t>(take(1)[0]);
        if (depth > 32) throw Error("MessagePack is nested too deeply");
        if (tag <= 0x7f) return number(tag);
        if (tag <= 0x8f) return items(Value::map, 2 * (tag & 15), depth);
        if (tag <= 0x9f) return items(Value::array, tag & 15, depth);
        if (tag <= 0xbf) return string(Value::text, tag & 31);
        if (tag == 0xc0) return {};
        if (tag <= 0xc3) return number(tag & 1);  // false and true
        if (tag <= 0xc6) return string(Value::other, wide(1 << (tag - 0xc4)));
        if (tag <= 0xc9) return string(Value::other, wide(1 << (tag - 0xc7)) + 1);
        if (tag <= 0xcb) return string(Value::other, tag == 0xca ? 4 : 8);
        if (tag <= 0xcf) return number(wide(1 << (tag - 0xcc)));
        if (tag <= 0xd3) return string(Value::other, 1 << (tag - 0xd0));  // negative: nowhere here
        if (tag <= 0xd8) return string(Value::other, (1 << (tag - 0xd4)) + 1);
        if (tag <= 0xdb) return string(Value::text, wide(1 << (tag - 0xd9)));
        if (tag <= 0xdd) return items(Value::array, wide(2 << (tag - 0xdc)), depth);
        if (tag <= 0xdf) return items(Value::map, 2 * wide(2 << (tag - 0xde)), depth);
        return string(Value::other, 0);  // negative
    }

private:
    std::string take(std::uint64_t size) {
        if (size > bytes_.size() - at_) throw Error("MessagePack ends too early");
        return bytes_.substr((at_ += size) - size, size);
    }
    std::uint64_t wide(int size) {
        std::uint64_t found = 0;
        for (unsigned char byte : take(size)) found = found << 8 | byte;
        return found;
    }
    static Value number(std::uint64_t bits) {
        Value found;
        found.kind = Value::number, found.bits = bits;
        return found;
    }
    template <typename Kind> Value string(Kind kind, std::uint64_t size) {
        Value found;
        found.kind = kind, found.string = take(size);
        return found;
    }
    template <typename Kind> Value items(Kind kind, std::uint64_t count, int depth) {
        Value found;
        found.kind = kind;
        while (count--) found.items.push_back(value(depth + 1));  // ends where the bytes do
        return found;
    }
    const std::string& bytes_;
    std::size_t at_ = 0;
};

// ---- Frames over one connection ------------------------------------------------------------------------------------

enum Kind { HELLO = 1, OPEN = 2, APPEND = 3, END = 6, FOLLOW = 9, CREDIT = 10, INFO = 11, PING = 17, PONG = 18 };
enum Answer { WELCOME = 32, DONE = 33, MARKS = 34, STORED = 35, ARRIVED = 36, REFUSAL = 37 };

struct Frame {
    std::uint64_t number = 0;
    Value head;
    std::string body;
};

class Connection {
public:
    std::uint64_t window = 0;  // bytes of blocks that may be unanswered

    // Connects to HOST:PORT or tcp://HOST:PORT, and says hello; the token is that of the environment.
    Connection(const std::string& address, const std::string& name) : Connection() {
        open(address);
        const char* token = std::getenv("PENSTOCK_STREAMS_TOKEN");
        send(0, Packed(4).number(HELLO).number(1).text(token ? token : "").text(name));
        const Frame answer = receive();
        if (answer.head[0].count() != WELCOME || answer.head[1].count() != 1)
            throw Error("that is no server of version 1");
        window = answer.head[4].count();
    }
    Connection(const Connection&) = delete;
    ~Connection() {
        if (socket_ >= 0) ::close(socket_);
    }

    // Sends a request; returns its number.
    std::uint64_t request(const Packed& head, const std::string& body = {}) {
        send(++last_, head, body);
        return last_;
    }

    void send(std::uint64_t number, const Packed& head, const std::string& body = {}) {
        std::string frame = "pst1";
        put(frame, std::uint32_t(head.bytes.size()));
        put(frame, std::uint32_t(body.size()));
        put(frame, number);
        put(frame, body.empty() ? 0u : crc32c(body));
        put(frame, std::uint32_t(0));
        put(frame, crc32c(head.bytes, crc32c(frame)));
        frame += head.bytes;
        const std::string* const pieces[] = {&frame, &body};
        for (const auto* piece : pieces)
            for (std::size_t at = 0; at < piece->size();) {
                const auto sent = ::send(socket_, piece->data() + at, piece->size() - at, MSG_NOSIGNAL);
                if (sent < 0 && errno == EINTR) continue;
                if (sent < 0) throw Error(std::string("the connection to the server broke: ") + std::strerror(errno));
                at += sent;
            }
    }

    // Returns the next frame; pings are answered, and a refusal is thrown with the server's text.
    Frame receive() {
        for (;;) {
            const std::string prefix = read(32);
            const auto head = get<std::uint32_t>(prefix, 4), body = get<std::uint32_t>(prefix, 8);
            if (prefix.compare(0, 4, "pst1") || get<std::uint32_t>(prefix, 24) || head > 1u << 18 || body > 1u << 30)
                throw Error("what the server sent is no frame");
            const std::string text = read(head);
            if (crc32c(text, crc32c(prefix.substr(0, 28))) != get<std::uint32_t>(prefix, 28))
                throw Error("the head of a frame is not what was sent: its check sum differs");
            Frame frame{get<std::uint64_t>(prefix, 12), Unpacker(text).value(), read(body)};
            if (body && crc32c(frame.body) != get<std::uint32_t>(prefix, 20))
                throw Error("the body of a frame is not what was sent: its check sum differs");
            const auto kind = frame.head[0].count();
            if (kind == REFUSAL) throw Error(frame.head[1].string + ": " + frame.head[2].string);
            if (kind == PING) send(0, Packed(1).number(PONG));
            if (kind != PING && kind != PONG) return frame;
        }
    }

private:
    Connection() = default;  // so that a socket is closed also if the hello fails

    void open(std::string address) {
        if (address.compare(0, 6, "tcp://") == 0) address.erase(0, 6);
        const auto colon = address.rfind(':');
        if (colon == std::string::npos) throw Error("port missing in \"" + address + "\"; write HOST:PORT");
        std::string host = address.substr(0, colon);
        if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
        addrinfo wanted{}, *found = nullptr;
        wanted.ai_socktype = SOCK_STREAM;
        const int failed = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &wanted, &found);
        if (failed) throw Error("cannot find " + address + ": " + ::gai_strerror(failed));
        int why = 0;
        for (auto* one = found; one && socket_ < 0; one = one->ai_next) {
            socket_ = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
            if (socket_ >= 0 && ::connect(socket_, one->ai_addr, one->ai_addrlen) == 0) break;
            why = errno;
            if (socket_ >= 0) ::close(socket_);
            socket_ = -1;
        }
        ::freeaddrinfo(found);
        if (socket_ < 0) throw Error("cannot connect to " + address + ": " + std::strerror(why));
        const timeval longest{30, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
    }

    std::string read(std::size_t size) {
        std::string bytes(size, '\0');
        for (std::size_t at = 0; at < size;) {
            pollfd wait{socket_, POLLIN, 0};
            const int is_there = ::poll(&wait, 1, 10'000);
            if (is_there < 0 && errno != EINTR) throw Error(std::string("poll: ") + std::strerror(errno));
            if (is_there < 0) continue;
            if (is_there == 0) {  // 10 s without a sound: ask; after 30 s it is gone
                if (++quiet_ == 3) throw Error("nothing was heard of the server for 30 s");
                send(0, Packed(1).number(PING));
                continue;
            }
            quiet_ = 0;
            const auto got = ::recv(socket_, bytes.data() + at, size - at, 0);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) throw Error(std::string("the connection to the server broke: ") + std::strerror(errno));
            if (got == 0) throw Error("the server closed the connection");
            at += got;
        }
        return bytes;
    }

    int socket_ = -1, quiet_ = 0;
    std::uint64_t last_ = 0;
};

// ---- Blocks --------------------------------------------------------------------------------------------------------

inline std::uint64_t aligned(std::uint64_t nbytes) { return (nbytes + 63) / 64 * 64; }

struct Array {
    std::string dtype;  // such as "<u2"
    std::vector<std::uint64_t> shape;
    std::size_t at = 0, nbytes = 0;  // where it lies in the body
};

struct Message {
    std::uint64_t id = 0;
    std::vector<std::optional<Array>> arrays;  // one for each column; none where the message has no such buffer
};

// Returns dtype, shape and size of one array, as [dtype, shape] says it.
inline Array array_of(const Value& type) {
    Array found{type[0].string, {}, 0, 1};
    if (found.dtype.size() < 3 || std::string("biuf").find(found.dtype[1]) == std::string::npos)
        throw Error("dtype \"" + found.dtype + "\" is not read here, only numbers");
    found.nbytes = std::strtoul(found.dtype.c_str() + 2, nullptr, 10);
    for (const Value& axis : type[1].items) {
        found.shape.push_back(axis.count());
        if (__builtin_mul_overflow(found.nbytes, axis.count(), &found.nbytes)) throw Error("an array is too large");
    }
    return found;
}

// Returns the messages of a block: where everything lies follows from the layout and from the head of the block.
inline std::vector<Message> messages(const Value& layout, const std::string& body) {
    const auto rows = layout[0].count(), capacity = layout[1].count(), head = layout[2].count();
    const auto is_there = [&body](std::uint64_t at, std::uint64_t nbytes) {
        if (at > body.size() || nbytes > body.size() - at) throw Error("a block ends too early");
    };
    is_there(0, head);
    if (rows > capacity || capacity > body.size() / 16) throw Error("a block has not the rows it speaks of");
    const std::string said = body.substr(0, head);
    const Value types = Unpacker(said).value();
    std::vector<Message> found(rows);
    std::uint64_t at = aligned(head);
    for (std::size_t row = 0; row < rows; ++row) found[row].id = get<std::uint64_t>(body, at + 8 * row);
    at += aligned(8 * capacity) * (layout[5].count() ? 3 : 2);  // ids, keys if there are any, timestamps
    std::size_t ragged = 0;
    for (const Value& type : types.items) {
        if (type.kind == Value::array) {  // all alike
            Array array = array_of(type);
            std::uint64_t nbytes;
            if (__builtin_mul_overflow(array.nbytes, capacity, &nbytes)) throw Error("a column is too large");
            is_there(at, nbytes);
            for (std::size_t row = 0; row < rows; ++row) {
                array.at = at + row * array.nbytes;
                found[row].arrays.push_back(array);
            }
            at += aligned(nbytes);
            continue;
        }
        const auto table = layout[7][ragged][0].count(), payload = layout[7][ragged][1].count();  // ragged
        ++ragged;
        is_there(at, table);
        const std::string written = body.substr(at, table);
        const Value kinds = Unpacker(written).value();
        const std::uint64_t numbers = at + aligned(table);
        std::uint64_t place = numbers + aligned(4 * capacity);
        is_there(place, payload);
        at = place + aligned(payload);
        for (std::size_t row = 0; row < rows; ++row) {
            const auto number = get<std::int32_t>(body, numbers + 4 * row);
            found[row].arrays.emplace_back();
            if (number < 0) continue;
            Array array = array_of(kinds[std::size_t(number)]);
            array.at = place;
            is_there(place, array.nbytes);
            place += array.nbytes;
            found[row].arrays.back() = array;
        }
    }
    return found;
}

}  // namespace penstock
