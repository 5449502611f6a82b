// Writes numbered messages of uint16 to a durable stream, behind those that are there, and finishes it.
//
//     produce HOST:PORT BEAMTIME/SOURCE/STREAM MESSAGES [HEIGHT WIDTH [ROWS]]
//
// Message n is an array (HEIGHT, WIDTH) whose element k, in C order, is (n + k) mod 65536; ROWS of them are one block.
#include <chrono>
#include <deque>
#include <iostream>
#include <random>
#include <sstream>

#include "penstock.hpp"

using namespace penstock;

namespace {

constexpr std::size_t UNANSWERED = 16;  // appends; few enough that their answers never fill the connection

// Returns the layout of a block, and writes the block.
Packed block(std::uint64_t first, std::uint64_t rows, std::uint64_t height, std::uint64_t width, std::string& body) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::int64_t now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    const Packed column = Packed(2).text("<u2").array(Packed(2).number(height).number(width));
    body = Packed(1).array(column).bytes;
    const auto head = body.size();
    const auto pad = [&body] { body.resize(aligned(body.size())); };  // with zeros
    pad();
    for (std::uint64_t row = 0; row < rows; ++row) put(body, first + row);
    pad();
    for (std::uint64_t row = 0; row < rows; ++row) put(body, now_ns);
    pad();
    for (std::uint64_t row = 0; row < rows; ++row)
        for (std::uint64_t k = 0; k < height * width; ++k) put(body, std::uint16_t(first + row + k));
    pad();
    Packed layout(8);  // rows, capacity, head, nbytes, kind: data, no keys, no metadata, nothing ragged
    layout.number(rows).number(rows).number(head).number(body.size());
    return layout.number(0).truth(false).number(0).array(Packed(0));
}

std::string made_up() {  // what names this writer, and no other
    std::random_device chance;
    std::ostringstream text;
    for (int n = 0; n < 4; ++n) text << std::hex << chance();
    return text.str();
}

void produce(Connection& server, const std::string& stream, std::uint64_t count, std::uint64_t height,
             std::uint64_t width, std::uint64_t rows) {
    const auto marks = [&server] {
        Frame answer = server.receive();
        if (answer.head[0].count() != MARKS) throw Error("the server answered with something else than marks");
        return answer;
    };
    const auto writer = server.request(Packed(4).number(OPEN).text(stream).text("interval").text(made_up()));
    std::uint64_t next = marks().head[3].count() + 1;
    const std::uint64_t end = next + count;
    std::deque<std::uint64_t> unanswered;  // bytes of each
    std::uint64_t nbytes = 0;
    const auto settle = [&] {
        marks();
        nbytes -= unanswered.front();
        unanswered.pop_front();
    };
    std::string body;
    for (; next < end; next += rows) {
        rows = std::min(rows, end - next);
        const Packed layout = block(next, rows, height, width, body);
        while (unanswered.size() >= UNANSWERED || (nbytes && nbytes + body.size() > server.window)) settle();
        server.request(Packed(3).number(APPEND).number(writer).array(layout), body);
        unanswered.push_back(body.size());
        nbytes += body.size();
    }
    while (!unanswered.empty()) settle();
    server.request(Packed(3).number(END).number(writer).text("finished"));
    std::cout << "finished with " << marks().head[1].count() << " messages\n";
}

}  // namespace

int main(int argc, char** argv) {
    const auto number = [&](int n, std::uint64_t otherwise) -> std::uint64_t {
        const std::string text = n < argc ? argv[n] : std::to_string(otherwise);
        const bool is_other = text.find_first_not_of("0123456789") != std::string::npos;
        return is_other || text.empty() || text.size() > 9 ? 0 : std::stoull(text);
    };
    const auto count = number(3, 0), height = number(4, 4), width = number(5, 5), rows = number(6, 10);
    const std::uint64_t row_bytes = 2 * height * width + 16;  // with id and timestamp; fits into 64 bits
    if (argc < 4 || argc > 7 || argc == 5 || !count || !height || !width || !rows || row_bytes > (1u << 29) / rows) {
        std::cerr << "usage: produce HOST:PORT BEAMTIME/SOURCE/STREAM MESSAGES [HEIGHT WIDTH [ROWS]]\n"
                     "numbers from 1; a block of ROWS messages has at most 512 MiB\n";
        return 2;
    }
    try {
        Connection server(argv[1], "produce.cpp");
        produce(server, argv[2], count, height, width, rows);
    } catch (const std::exception& error) {
        std::cerr << "produce: " << error.what() << "\n";
        return 1;
    }
}
