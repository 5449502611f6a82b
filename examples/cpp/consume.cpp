// Follows a durable stream from a position to its end; prints id, dtype, shape and sum of each array of each message.
//
//     consume HOST:PORT BEAMTIME/SOURCE/STREAM [POSITION]
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <type_traits>

#include "penstock.hpp"

using namespace penstock;

namespace {

constexpr std::uint64_t CREDIT_BYTES = 8 << 20;

template <typename T> void print_sum(const std::string& bytes, bool is_swapped) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    Sum sum = 0;
    for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
        std::string one = bytes.substr(at, sizeof(T));
        if (is_swapped) std::reverse(one.begin(), one.end());
        sum += Sum(get<T>(one, 0));
    }
    if constexpr (std::is_signed_v<T> && !std::is_floating_point_v<T>)
        std::cout << std::int64_t(sum);
    else
        std::cout << sum;
}

void print(const Array& array, const std::string& body) {
    std::cout << " " << array.dtype << " (";
    for (std::size_t n = 0; n < array.shape.size(); ++n) std::cout << (n ? ", " : "") << array.shape[n];
    std::cout << (array.shape.size() == 1 ? ",) sum " : ") sum ");
    const std::string type = array.dtype.substr(1), bytes = body.substr(array.at, array.nbytes);
    const bool is_swapped = array.dtype[0] == '>';
    if (type == "u1" || type == "b1") print_sum<std::uint8_t>(bytes, is_swapped);
    else if (type == "u2") print_sum<std::uint16_t>(bytes, is_swapped);
    else if (type == "u4") print_sum<std::uint32_t>(bytes, is_swapped);
    else if (type == "u8") print_sum<std::uint64_t>(bytes, is_swapped);
    else if (type == "i1") print_sum<std::int8_t>(bytes, is_swapped);
    else if (type == "i2") print_sum<std::int16_t>(bytes, is_swapped);
    else if (type == "i4") print_sum<std::int32_t>(bytes, is_swapped);
    else if (type == "i8") print_sum<std::int64_t>(bytes, is_swapped);
    else if (type == "f4") print_sum<float>(bytes, is_swapped);
    else if (type == "f8") print_sum<double>(bytes, is_swapped);
    else throw Error("dtype " + array.dtype + " has no sum here; add it to consume.cpp");
}

// Prints the messages of a block from a position on; returns the position behind it.
std::uint64_t print_block(const Frame& frame, std::uint64_t position) {
    const Value& encodings = frame.head[3];
    for (const Value& encoding : encodings.items)
        if (encoding.kind != Value::nil) throw Error("a column is " + encoding[0].string + ", which is not read here");
    std::uint64_t at = frame.head[2].count();
    for (const Message& message : messages(frame.head[1], frame.body)) {
        if (at++ < position) continue;
        std::cout << message.id;
        for (const auto& array : message.arrays)
            if (array) print(*array, frame.body);
        std::cout << "\n";
    }
    std::cout.flush();
    return at;
}

// Returns 0, or 1 if the stream was aborted.
int consume(Connection& server, const std::string& stream, std::uint64_t position) {
    const auto feed = server.request(Packed(4).number(FOLLOW).text(stream).number(position).number(CREDIT_BYTES));
    bool has_come = false, is_ended = false;
    std::uint64_t arrived = 0;
    while (!is_ended || position < arrived) {  // the end may be said before the last blocks are sent
        const Frame frame = server.receive();
        const auto kind = frame.head[0].count();
        if (kind == STORED) {
            position = print_block(frame, position);
            has_come = true;
            server.send(feed, Packed(2).number(CREDIT).number(frame.body.size()));
        } else if (kind == ARRIVED) {
            arrived = frame.head[1].count(), is_ended = frame.head[2].count();
            if (has_come && arrived < position) throw Error(stream + " was deleted while it was read");
            position = std::max(position, frame.head[3].count());  // what did not come of it was removed
        } else {
            throw Error("the server answered with kind " + std::to_string(kind));
        }
    }
    server.request(Packed(2).number(INFO).text(stream));
    const Frame info = server.receive();
    const Value& facts = info.head[1];
    if (facts.of("state").string != "aborted") return 0;
    std::cerr << "consume: " << stream << " was aborted: " << facts.of("reason").string << "\n";
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string position = argc == 4 ? argv[3] : "0";
    if (argc < 3 || argc > 4 || position.empty() || position.size() > 18 ||
        position.find_first_not_of("0123456789") != std::string::npos) {
        std::cerr << "usage: consume HOST:PORT BEAMTIME/SOURCE/STREAM [POSITION]\n";
        return 2;
    }
    std::cout << std::setprecision(17);
    try {
        Connection server(argv[1], "consume.cpp");
        return consume(server, argv[2], std::stoull(position));
    } catch (const std::exception& error) {
        std::cout.flush();
        std::cerr << "consume: " << error.what() << "\n";
        return 1;
    }
}
