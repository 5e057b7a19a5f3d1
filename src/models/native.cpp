// Greedy decoding and ancestral sampling of a pre-norm transformer's decoder, on processors with AVX-512.
//
// One call decodes all rows: each thread holds some rows in slots, takes them one token further at a time, and puts the
// next row in the slot of one that ended, whatever the positions of the others. A row's numbers depend on nothing but
// the row, so that the result is the same bit for bit for every batch, order and number of threads.
// Weights and caches are float, or bfloat16 with float sums where the processor has such products.
// Letters: D width, H heads, d = D/H, F inner width, V outputs, S source length, B sources, k rows of each.

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace {

constexpr int LANES = 16;
constexpr int COLUMNS = 4 * LANES;  // outputs of a tile
constexpr int ROWS = 6;             // rows of a tile: 24 sums, 4 weights and a factor fill the 32 registers
constexpr int SLOTS = 48;           // rows that a thread decodes at a time

int up(int number, int step) { return (number + step - 1) / step * step; }

// How numbers that are multiplied are kept. `dot` adds to each lane `group` products: of the items at `factor`, the same
// for all lanes, and of the lane's own items.
struct Full {
    using Item = float;
    static constexpr int group = 1;
    static Item item(float number) { return number; }
    static __m512 dot(__m512 sum, const Item* factor, const Item* lanes) {
        return _mm512_fmadd_ps(_mm512_set1_ps(*factor), _mm512_loadu_ps(lanes), sum);
    }
};

#ifdef __AVX512BF16__
struct Half {
    using Item = uint16_t;
    static constexpr int group = 2;
    static Item item(float number) {  // rounded to nearest, ties to even
        uint32_t bits;
        std::memcpy(&bits, &number, sizeof bits);
        return static_cast<Item>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    static __m512 dot(__m512 sum, const Item* factor, const Item* lanes) {
        int32_t pair;
        std::memcpy(&pair, factor, sizeof pair);
        return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)_mm512_loadu_si512(lanes));
    }
};
#endif

template <class T>
void round_all(const float* from, typename T::Item* to, int count) {
    for (int i = 0; i < count; i++) to[i] = T::item(from[i]);
}

__mmask16 first(int count) { return count >= LANES ? 0xffff : (1 << count) - 1; }  // of LANES lanes

struct Pair {
    const float* weight;  // (outputs, inputs); of a norm: (D,)
    const float* bias;
};

// A linear map: weights in the order in which `multiply` reads them, [block of COLUMNS][input group][column][group].
template <class T>
struct Linear {
    int steps = 0, blocks = 0;
    std::vector<typename T::Item> items;
    std::vector<float> bias;

    // Several pairs stand one below the other: outputs[i] rows of pairs[i], times factors[i].
    void pack(std::initializer_list<Pair> pairs, std::initializer_list<int> outputs, int inputs,
              std::initializer_list<float> factors) {
        int total = 0;
        for (int count : outputs) total += count;
        steps = up(inputs, T::group) / T::group;
        blocks = up(total, COLUMNS) / COLUMNS;
        items.assign(static_cast<size_t>(blocks) * steps * COLUMNS * T::group, 0);
        bias.assign(blocks * COLUMNS, 0.0f);
        int column = 0;
        for (size_t part = 0; part < pairs.size(); part++) {
            const Pair& pair = pairs.begin()[part];
            const float factor = factors.begin()[part];
            for (int row = 0; row < outputs.begin()[part]; row++, column++) {
                if (pair.bias) bias[column] = pair.bias[row] * factor;
                const float* weights = pair.weight + static_cast<size_t>(row) * inputs;
                auto* to = &items[(static_cast<size_t>(column / COLUMNS) * steps * COLUMNS + column % COLUMNS) * T::group];
                for (int i = 0; i < inputs; i++)
                    to[static_cast<size_t>(i / T::group) * COLUMNS * T::group + i % T::group] =
                        T::item(weights[i] * factor);
            }
        }
    }
};

template <class T, int R>
void tile(const typename T::Item* from, int from_stride, int steps, const typename T::Item* weights, const float* bias,
          float* to, int to_stride, bool add) {
    __m512 sums[R][4];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < 4; c++) {
            sums[r][c] = _mm512_loadu_ps(bias + c * LANES);
            if (add) sums[r][c] = _mm512_add_ps(sums[r][c], _mm512_loadu_ps(to + r * to_stride + c * LANES));
        }
    for (int step = 0; step < steps; step++, weights += COLUMNS * T::group)
        for (int r = 0; r < R; r++)
            for (int c = 0; c < 4; c++)
                sums[r][c] = T::dot(sums[r][c], from + r * from_stride + step * T::group, weights + c * LANES * T::group);
    for (int r = 0; r < R; r++)
        for (int c = 0; c < 4; c++) _mm512_storeu_ps(to + r * to_stride + c * LANES, sums[r][c]);
}

// Rows of `to` become, or with `add` grow by, the map of rows of `from`; both strides hold the map's padded sizes.
template <class T>
void multiply(const Linear<T>& map, const typename T::Item* from, int from_stride, int rows, float* to, int to_stride,
              bool add = false) {
    constexpr decltype(&tile<T, 1>) tiles[] = {tile<T, 1>, tile<T, 2>, tile<T, 3>, tile<T, 4>, tile<T, 5>, tile<T, 6>};
    for (int block = 0; block < map.blocks; block++) {
        const auto* weights = &map.items[static_cast<size_t>(block) * map.steps * COLUMNS * T::group];
        for (int row = 0; row < rows; row += ROWS)
            tiles[std::min(ROWS, rows - row) - 1](from + static_cast<size_t>(row) * from_stride, from_stride, map.steps,
                                                 weights, &map.bias[block * COLUMNS],
                                                 to + static_cast<size_t>(row) * to_stride + block * COLUMNS, to_stride,
                                                 add);
    }
}

void normalise(const float* from, Pair norm, int width, float* to) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (int i = 0; i < width; i += LANES) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(first(width - i), from + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
    for (int i = 0; i < width; i += LANES) {
        const __mmask16 real = first(width - i);
        const __m512 far = _mm512_maskz_sub_ps(real, _mm512_maskz_loadu_ps(real, from + i), mean);
        squares = _mm512_fmadd_ps(far, far, squares);
    }
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / width + 1e-5f));
    for (int i = 0; i < width; i += LANES) {
        const __mmask16 real = first(width - i);
        const __m512 unit = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(real, from + i), mean), scale);
        const __m512 weight = _mm512_maskz_loadu_ps(real, norm.weight + i);
        _mm512_mask_storeu_ps(to + i, real, _mm512_fmadd_ps(unit, weight, _mm512_maskz_loadu_ps(real, norm.bias + i)));
    }
}

__m512 exponential(__m512 x) {  // within 2 units in the last place, for x <= 0; far below, 0
    x = _mm512_max_ps(x, _mm512_set1_ps(-104.0f));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 sum = _mm512_set1_ps(1.0f / 720);
    for (float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(coefficient));
    return _mm512_scalef_ps(sum, n);
}

// Scores (padded to LANES) become exponentials of their distance to the greatest; returns their sum.
float soften(float* scores, int count) {
    for (int i = count; i < up(count, LANES); i++) scores[i] = -INFINITY;
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int i = 0; i < count; i += LANES) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + i));
    const __m512 greatest = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (int i = 0; i < count; i += LANES) {
        const __m512 one = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + i), greatest));
        _mm512_storeu_ps(scores + i, one);
        sum = _mm512_add_ps(sum, one);
    }
    return _mm512_reduce_add_ps(sum);
}

// Keys and values of one row or source, of one layer, in the order in which `attend` reads them:
// keys [head][block of LANES positions][group of d][position][group], values [head][group of positions][d][group].
template <class T>
struct Memory {
    using Item = typename T::Item;
    int heads, depth, room;  // d, positions
    Item *keys, *values;

    static int steps(int depth) { return up(depth, T::group) / T::group; }
    static size_t key_items(int depth, int room) {
        return static_cast<size_t>(up(room, LANES)) * steps(depth) * T::group;
    }
    static size_t value_items(int depth, int room) {
        return static_cast<size_t>(up(room, T::group)) * up(depth, LANES);
    }
    static size_t items(int heads, int depth, int room) {
        return heads * (key_items(depth, room) + value_items(depth, room));
    }

    Memory(int heads, int depth, int room, Item* items)
        : heads(heads), depth(depth), room(room), keys(items), values(items + heads * key_items(depth, room)) {}

    // Positions are put in turn: 0, 1, 2, ...
    void put(int at, const float* key, const float* value) {
        for (int head = 0; head < heads; head++) {
            Item* to = keys + head * key_items(depth, room) +
                       (static_cast<size_t>(at / LANES) * steps(depth) * LANES + at % LANES) * T::group;
            for (int i = 0; i < up(depth, T::group); i++)
                to[static_cast<size_t>(i / T::group) * LANES * T::group + i % T::group] =
                    i < depth ? T::item(*key++) : Item(0);
            to = values + head * value_items(depth, room) +
                 static_cast<size_t>(at / T::group) * T::group * up(depth, LANES);
            for (int i = 0; i < up(depth, LANES); i++) {
                Item* place = to + i * T::group;
                if (at % T::group == 0) std::fill(place, place + T::group, Item(0));  // a weight of 0 on what is not there
                place[at % T::group] = i < depth ? T::item(*value++) : Item(0);
            }
        }
    }
};

// Products of the query with the keys of N blocks of LANES positions; several sums hide the latency.
template <class T, int N>
void score(const typename T::Item* query, const typename T::Item* keys, int steps, float* to) {
    constexpr int P = N >= 4 ? 1 : 4 / N;
    const int block = steps * LANES * T::group;
    __m512 sums[P][N];
    for (auto& some : sums)
        for (auto& sum : some) sum = _mm512_setzero_ps();
    int step = 0;
    for (; step + P <= steps; step += P)
        for (int p = 0; p < P; p++)
            for (int n = 0; n < N; n++)
                sums[p][n] = T::dot(sums[p][n], query + (step + p) * T::group,
                                    keys + n * block + (step + p) * LANES * T::group);
    for (; step < steps; step++)
        for (int n = 0; n < N; n++)
            sums[0][n] = T::dot(sums[0][n], query + step * T::group, keys + n * block + step * LANES * T::group);
    for (int n = 0; n < N; n++) {
        for (int p = 1; p < P; p++) sums[0][n] = _mm512_add_ps(sums[0][n], sums[p][n]);
        _mm512_storeu_ps(to + n * LANES, sums[0][n]);
    }
}

// Adds C chunks of 16 channels of the values, each position's times its weight.
template <class T, int C>
void mix(const typename T::Item* weights, const typename T::Item* values, int stride, int groups, float* to) {
    constexpr int P = C >= 4 ? 2 : 8 / C;
    __m512 sums[P][C];
    for (auto& some : sums)
        for (auto& sum : some) sum = _mm512_setzero_ps();
    int at = 0;
    for (; at + P <= groups; at += P)
        for (int p = 0; p < P; p++)
            for (int c = 0; c < C; c++)
                sums[p][c] = T::dot(sums[p][c], weights + (at + p) * T::group,
                                    values + static_cast<size_t>(at + p) * stride + c * LANES * T::group);
    for (; at < groups; at++)
        for (int c = 0; c < C; c++)
            sums[0][c] = T::dot(sums[0][c], weights + at * T::group,
                                values + static_cast<size_t>(at) * stride + c * LANES * T::group);
    for (int c = 0; c < C; c++) {
        for (int p = 1; p < P; p++) sums[0][c] = _mm512_add_ps(sums[0][c], sums[p][c]);
        _mm512_storeu_ps(to + c * LANES, sums[0][c]);
    }
}

template <class T>
struct Scratch {
    std::vector<float> scores, mixed;
    std::vector<typename T::Item> query, weights;
    Scratch(int room, int depth)
        : scores(up(room, 4 * LANES)), mixed(up(depth, LANES)), query(up(depth, T::group), 0),
          weights(up(room, 4 * LANES)) {}
};

// softmax(query . keys) . values over the first `count` positions; queries are scaled already. to: (D,).
template <class T>
void attend(const float* query, const Memory<T>& memory, int count, Scratch<T>& scratch, typename T::Item* to) {
    const int steps = Memory<T>::steps(memory.depth), blocks = up(count, LANES) / LANES;
    const int groups = up(count, T::group) / T::group, depth = up(memory.depth, LANES);
    const size_t block_items = static_cast<size_t>(steps) * LANES * T::group;
    for (int head = 0; head < memory.heads; head++, query += memory.depth, to += memory.depth) {
        const auto* keys = memory.keys + head * Memory<T>::key_items(memory.depth, memory.room);
        const auto* values = memory.values + head * Memory<T>::value_items(memory.depth, memory.room);
        round_all<T>(query, scratch.query.data(), memory.depth);
        const auto* left = keys;
        float* scores = scratch.scores.data();
        for (int block = 0; block < blocks;) {
            const int some = blocks - block >= 8 ? 8 : blocks - block >= 4 ? 4 : blocks - block >= 2 ? 2 : 1;
            (some == 8 ? score<T, 8> : some == 4 ? score<T, 4> : some == 2 ? score<T, 2> : score<T, 1>)(
                scratch.query.data(), left, steps, scores);
            block += some, left += some * block_items, scores += some * LANES;
        }
        const float whole = 1.0f / soften(scratch.scores.data(), count);  // what is past `count` is 0 now
        round_all<T>(scratch.scores.data(), scratch.weights.data(), up(count, LANES));
        for (int from = 0; from < depth;) {
            const auto* chunk = values + from * T::group;
            const int chunks = (depth - from) / LANES, stride = depth * T::group;
            float* mixed = scratch.mixed.data() + from;
            if (chunks >= 8) mix<T, 8>(scratch.weights.data(), chunk, stride, groups, mixed), from += 8 * LANES;
            else if (chunks >= 4) mix<T, 4>(scratch.weights.data(), chunk, stride, groups, mixed), from += 4 * LANES;
            else if (chunks >= 2) mix<T, 2>(scratch.weights.data(), chunk, stride, groups, mixed), from += 2 * LANES;
            else mix<T, 1>(scratch.weights.data(), chunk, stride, groups, mixed), from += LANES;
        }
        for (int i = 0; i < memory.depth; i++) to[i] = T::item(scratch.mixed[i] * whole);
    }
}

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
