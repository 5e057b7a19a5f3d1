// Runs one call of the compiled transformer, which a file holds, and writes the memory of its result to another:
//     emulated CALL RESULT
// The call: 0 for encode, 1 for decode; how many pointers and numbers its struct has; which pointer is the result; how
// many pointers its layers have; then each of those and each of the struct's, as its bytes after their count (0: null;
// the struct's first, its layers, has none), and the numbers.

#include "native.cpp"

#include <fstream>

int main(int, char** paths) {
    std::ifstream file(paths[1], std::ios::binary);
    std::vector<std::vector<char>> kept;
    const auto number = [&] {
        int64_t value = 0;
        file.read(reinterpret_cast<char*>(&value), sizeof value);
        return value;
    };
    const auto address = [&]() -> const void* {
        kept.emplace_back(number());
        file.read(kept.back().data(), kept.back().size());
        return kept.back().empty() ? nullptr : kept.back().data();
    };
    const int64_t function = number(), pointers = number(), numbers = number(), result = number();
    std::vector<const void*> layers(number());
    for (auto& pointer : layers) pointer = address();
    std::vector<const void*> given(pointers + numbers);
    given[0] = layers.data();
    size_t size = 0;
    for (int64_t i = 1; i < pointers; i++) {
        given[i] = address();
        if (i == result) size = kept.back().size();
    }
    file.read(reinterpret_cast<char*>(&given[pointers]), numbers * sizeof(int64_t));
    if (!file) return 1;
    function ? decode(reinterpret_cast<const Given*>(given.data()))
             : encode(reinterpret_cast<const EncoderGiven*>(given.data()));
    std::ofstream(paths[2], std::ios::binary).write(static_cast<const char*>(given[result]), size);
}
