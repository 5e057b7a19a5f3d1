// Greedy decoding and ancestral sampling of a pre-norm transformer's decoder, on processors with AVX-512.
//
// One call decodes all rows: each thread holds some rows in slots, takes them one token further at a time, and puts the
// next row in the slot of one that ended, whatever the positions of the others. A row's numbers depend on nothing but
// the row, so that the result is the same bit for bit for every batch, order and number of threads.
// Letters: D width, H heads, d = D/H, F inner width, V outputs, S source length, B sources, k rows of each.

#include "native_kernels.h"

#include <atomic>
#include <memory>
#include <thread>

namespace {

constexpr int SLOTS = 48;  // rows that a thread decodes at a time

// What Python gives; native.py has the same fields in the same order.
struct LayerGiven {
    Pair norms[3], query, key_value, out, cross_query, cross_out, inner, outer;
    Pair memory;  // (B, S, 2D): keys, then values, of the sources; no bias
};

struct Given {
    const LayerGiven* layers;
    Pair norm;
    const float* output;     // (V, D): of the ids from `eos` on
    const float* table;      // (eos + V, D): what an id adds to its position
    const float* positions;  // (max_length, D)
    const int64_t* lengths;  // (B,): tokens of the sources
    const double* numbers;   // (B*k, max_length): uniform in [0, 1), to sample with; null: the likeliest
    int64_t* result;         // (B*k, max_length), filled with pads
    int64_t count_layers, width, heads, hidden, outputs, bos, eos, sources, source_length, rows, min_length, max_length;
    int64_t threads, half;
};

template <class T>
struct Layer {
    Linear<T> query_key_value, out, cross_query, cross_out, inner, outer;

    void pack(const LayerGiven& given, int width, int hidden, int heads) {
        const float scale = 1.0f / std::sqrt(static_cast<float>(width / heads));
        query_key_value.pack({given.query, given.key_value}, {width, 2 * width}, width, {scale, 1.0f});
        out.pack({given.out}, {width}, width, {1.0f});
        cross_query.pack({given.cross_query}, {width}, width, {scale});
        cross_out.pack({given.cross_out}, {width}, width, {1.0f});
        inner.pack({given.inner}, {hidden}, width, {1.0f});
        outer.pack({given.outer}, {width}, hidden, {1.0f});
    }
};

// Index of the greatest score, the first of equals; or, with a number, the first whose share of all, with those before
// it, passes the number.
int choose(float* scores, int count, const double* number) {
    if (!number) return static_cast<int>(std::max_element(scores, scores + count) - scores);
    soften(scores, count);
    double sum = 0.0, passed = 0.0;
    for (int i = 0; i < count; i++) sum += scores[i];
    int last = 0;
    for (int i = 0; i < count; i++) {
        passed += scores[i];
        if (scores[i] > 0) last = i;
        if (passed > *number * sum) return i;
    }
    return last;
}

template <class T>
struct Decoder {
    using Item = typename T::Item;
    const Given& given;
    const int width, heads, depth, hidden, outputs;
    std::vector<Layer<T>> layers;
    Linear<Full> output;
    std::unique_ptr<Item[]> crosses;  // a Memory of each source and layer
    std::atomic<int64_t> next_row{0};

    explicit Decoder(const Given& given)
        : given(given), width(given.width), heads(given.heads), depth(width / heads), hidden(given.hidden),
          outputs(given.outputs), layers(given.count_layers),
          crosses(new Item[given.sources * given.count_layers * cross_items()]) {
        each(layers.size(), [&](int64_t i) { layers[i].pack(given.layers[i], width, hidden, heads); });
        output.pack({{given.output, nullptr}}, {outputs}, width, {1.0f});
    }

    size_t cross_items() const { return Memory<T>::items(heads, depth, given.source_length); }
    Memory<T> cross(int64_t source, int layer) const {
        return {heads, depth, static_cast<int>(given.source_length),
                &crosses[(source * given.count_layers + layer) * cross_items()]};
    }

    void each(int64_t count, auto work) {  // work(i) for i < count, shared among threads
        std::atomic<int64_t> next{0};
        together([&] {
            for (int64_t i; (i = next++) < count;) work(i);
        });
    }

    void together(auto work) {
        std::vector<std::thread> others;
        for (int64_t i = 1; i < given.threads; i++) others.emplace_back(work);
        work();
        for (auto& other : others) other.join();
    }

    void run() {
        each(given.sources * given.count_layers, [&](int64_t which) {
            const int64_t source = which / given.count_layers, layer = which % given.count_layers;
            const float* states = given.layers[layer].memory.weight + source * given.source_length * 2 * width;
            Memory<T> memory = cross(source, layer);
            for (int64_t at = 0; at < given.lengths[source]; at++, states += 2 * width)
                memory.put(at, states, states + width);
        });
        const int slots = static_cast<int>(std::min<int64_t>(SLOTS, (given.rows + given.threads - 1) / given.threads));
        together([&] { decode(slots); });
    }

    struct Slot {
        int64_t row, token, at;
        int cache;
    };

    void decode(int slots) {
        const int wide = up(width, COLUMNS), wider = up(std::max(3 * width, hidden), COLUMNS);
        const int narrow = up(std::max(width, hidden), T::group), scored = up(outputs, COLUMNS);
        const size_t room = Memory<T>::items(heads, depth, given.max_length);
        std::unique_ptr<Item[]> caches(new Item[slots * layers.size() * room]);
        std::vector<float> states(slots * wide, 0.0f), wanted(slots * std::max(wider, scored)), normed(slots * width);
        std::vector<Item> items(slots * narrow, 0);
        Scratch<T> scratch(std::max(given.max_length, given.source_length), depth);
        std::vector<Slot> active;
        const int64_t share = given.rows / given.sources;

        const auto take = [&](int cache) {
            const int64_t row = next_row++;
            if (row < given.rows) active.push_back({row, given.bos, 0, cache});
        };
        const auto norm = [&](Pair weights) {
            for (size_t i = 0; i < active.size(); i++) {
                normalise(&states[i * wide], weights, width, normed.data());
                round_all<T>(normed.data(), &items[i * narrow], width);
            }
        };
        const auto times = [&](const Linear<T>& map) {
            multiply(map, items.data(), narrow, active.size(), wanted.data(), wider);
        };
        const auto add = [&](const Linear<T>& map) {
            multiply(map, items.data(), narrow, active.size(), states.data(), wide, true);
        };

        for (int i = 0; i < slots; i++) take(i);
        while (!active.empty()) {
            const int rows = active.size();
            for (int i = 0; i < rows; i++) {
                const float* token = given.table + active[i].token * width;
                const float* position = given.positions + active[i].at * width;
                for (int j = 0; j < width; j++) states[i * wide + j] = token[j] + position[j];
            }
            for (size_t l = 0; l < layers.size(); l++) {
                norm(given.layers[l].norms[0]);
                times(layers[l].query_key_value);
                for (int i = 0; i < rows; i++) {
                    const Slot& slot = active[i];
                    const float* query = &wanted[i * wider];
                    Memory<T> own(heads, depth, given.max_length, &caches[(slot.cache * layers.size() + l) * room]);
                    own.put(slot.at, query + width, query + 2 * width);
                    attend(query, own, slot.at + 1, scratch, &items[i * narrow]);
                }
                add(layers[l].out);
                norm(given.layers[l].norms[1]);
                times(layers[l].cross_query);
                for (int i = 0; i < rows; i++) {
                    const int64_t source = active[i].row / share;
                    attend(&wanted[i * wider], cross(source, l), given.lengths[source], scratch, &items[i * narrow]);
                }
                add(layers[l].cross_out);
                norm(given.layers[l].norms[2]);
                times(layers[l].inner);
                for (int i = 0; i < rows; i++)
                    for (int j = 0; j < hidden; j++)
                        items[i * narrow + j] = T::item(std::max(wanted[i * wider + j], 0.0f));
                add(layers[l].outer);
            }
            for (int i = 0; i < rows; i++) normalise(&states[i * wide], given.norm, width, &normed[i * width]);
            multiply(output, normed.data(), width, rows, wanted.data(), scored);
            for (int i = rows - 1; i >= 0; i--) {
                Slot& slot = active[i];
                float* scores = &wanted[i * scored];
                if (slot.at < given.min_length) scores[0] = -INFINITY;
                const int64_t place = slot.row * given.max_length + slot.at;
                slot.token = given.eos + choose(scores, outputs, given.numbers ? given.numbers + place : nullptr);
                given.result[place] = slot.token;
                if (slot.token != given.eos && ++slot.at < given.max_length) continue;
                const int cache = slot.cache;
                active.erase(active.begin() + i);
                take(cache);
            }
        }
    }
};

}  // namespace

extern "C" void decode(const Given* given) {
#ifdef __AVX512BF16__
    if (given->half) return Decoder<Half>(*given).run();
#endif
    Decoder<Full>(*given).run();
}
