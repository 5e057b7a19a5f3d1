// The encoder of a pre-norm transformer: source by source, each at its own length, so that pads cost nothing.

#pragma once

#include "native_kernels.h"

namespace {

constexpr int BLOCK = 48;  // rows that go through a map at a time

// What Python gives; native.py has the same fields in the same order.
struct EncoderLayerGiven {
    Pair norms[2], query, key_value, out, inner, outer;
};

struct EncoderGiven {
    const EncoderLayerGiven* layers;
    Pair norm;
    const float* embedded;   // (B, S, D): embeddings and positions
    const int64_t* lengths;  // (B,): tokens of the sources
    float* result;           // (B, S, D), filled with zeros
    int64_t count_layers, width, heads, hidden, sources, source_length, threads, half;
};

template <class T>
struct EncoderLayer {
    Linear<T> query, key_value, out, inner, outer;

    std::vector<Packing> packing(const EncoderLayerGiven& given, int width, int hidden, int heads) {
        const float scale = 1.0f / std::sqrt(static_cast<float>(width / heads));
        return {
            [=] { query.pack({given.query}, {width}, width, {scale}); },
            [=] { key_value.pack({given.key_value}, {2 * width}, width, {1.0f}); },
            [=] { out.pack({given.out}, {width}, width, {1.0f}); },
            [=] { inner.pack({given.inner}, {hidden}, width, {1.0f}); },
            [=] { outer.pack({given.outer}, {width}, hidden, {1.0f}); },
        };
    }
};

// Keys and values of rows (count, D), put in the memory that they are asked for in.
template <class T>
void remember(const Linear<T>& key_value, const float* rows, int stride, int count, Memory<T> memory) {
    const int width = memory.heads * memory.depth, narrow = up(width, T::group), wide = up(2 * width, COLUMNS);
    std::vector<typename T::Item> items(BLOCK * narrow, 0);
    std::vector<float> wanted(BLOCK * wide);
    for (int from = 0; from < count; from += BLOCK) {
        const int some = std::min(BLOCK, count - from);
        for (int i = 0; i < some; i++) round_all<T>(rows + static_cast<size_t>(from + i) * stride, &items[i * narrow], width);
        multiply(key_value, items.data(), narrow, some, wanted.data(), wide);
        for (int i = 0; i < some; i++) memory.put(from + i, &wanted[i * wide], &wanted[i * wide + width]);
    }
}

template <class T>
struct Encoder {
    using Item = typename T::Item;
    const EncoderGiven& given;
    const int width, heads, hidden, length;
    std::vector<EncoderLayer<T>> layers;

    explicit Encoder(const EncoderGiven& given)
        : given(given), width(given.width), heads(given.heads), hidden(given.hidden), length(given.source_length),
          layers(given.count_layers) {
        std::vector<Packing> all;
        for (size_t i = 0; i < layers.size(); i++)
            for (Packing& one : layers[i].packing(given.layers[i], width, hidden, heads)) all.push_back(std::move(one));
        each(given.threads, all.size(), [&](int64_t i) { all[i](); });
    }

    // What one thread works with.
    struct Desk {
        const Encoder& of;
        const int wide, wider, narrow, narrower;
        std::vector<float> states, normed, wanted;
        std::vector<Item> items, memory;
        Scratch<T> scratch;

        explicit Desk(const Encoder& of)
            : of(of), wide(up(of.width, COLUMNS)), wider(up(std::max(of.width, of.hidden), COLUMNS)),
              narrow(up(of.width, T::group)), narrower(up(std::max(of.width, of.hidden), T::group)),
              states(static_cast<size_t>(of.length) * wide), normed(static_cast<size_t>(of.length) * of.width),
              wanted(static_cast<size_t>(BLOCK) * wider), items(static_cast<size_t>(BLOCK) * narrower, 0),
              memory(Memory<T>::items(of.heads, of.width / of.heads, of.length)),
              scratch(of.length, of.width / of.heads) {}

        float* state(int row) { return &states[static_cast<size_t>(row) * wide]; }

        void norm(Pair weights, int count) {
            for (int i = 0; i < count; i++)
                normalise(state(i), weights, of.width, &normed[static_cast<size_t>(i) * of.width]);
        }

        void layer(const EncoderLayerGiven& given, const EncoderLayer<T>& maps, int count) {
            const int width = of.width;
            Memory<T> own(of.heads, width / of.heads, of.length, memory.data());
            norm(given.norms[0], count);
            remember(maps.key_value, normed.data(), width, count, own);
            for (int from = 0; from < count; from += BLOCK) {
                const int some = std::min(BLOCK, count - from);
                take(from, some);
                multiply(maps.query, items.data(), narrower, some, wanted.data(), wider);
                for (int i = 0; i < some; i++)
                    attend(&wanted[i * wider], own, count, scratch, &items[i * narrower]);
                multiply(maps.out, items.data(), narrower, some, state(from), wide, true);
            }
            norm(given.norms[1], count);
            for (int from = 0; from < count; from += BLOCK) {
                const int some = std::min(BLOCK, count - from);
                take(from, some);
                multiply(maps.inner, items.data(), narrower, some, wanted.data(), wider);
                for (int i = 0; i < some; i++)
                    for (int j = 0; j < of.hidden; j++)
                        items[i * narrower + j] = T::item(std::max(wanted[i * wider + j], 0.0f));
                multiply(maps.outer, items.data(), narrower, some, state(from), wide, true);
            }
        }

        void take(int from, int count) {  // normed rows, to be multiplied
            for (int i = 0; i < count; i++)
                round_all<T>(&normed[static_cast<size_t>(from + i) * of.width], &items[i * narrower], of.width);
        }
    };

    void run() {
        const std::vector<int64_t> order = longest_first(given.lengths, given.sources);
        std::atomic<int64_t> next{0};
        together(std::min(given.threads, given.sources), [&] {
            Desk desk(*this);
            for (int64_t i; (i = next++) < given.sources;) encode(desk, order[i]);
        });
    }

    void encode(Desk& desk, int64_t source) {
        const size_t start = static_cast<size_t>(source) * length * width;
        const int count = given.lengths[source];
        for (int i = 0; i < count; i++)
            std::copy_n(given.embedded + start + static_cast<size_t>(i) * width, width, desk.state(i));
        for (size_t l = 0; l < layers.size(); l++) desk.layer(given.layers[l], layers[l], count);
        for (int i = 0; i < count; i++)
            normalise(desk.state(i), given.norm, width, given.result + start + static_cast<size_t>(i) * width);
    }
};

}  // namespace
