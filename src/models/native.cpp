// What a pre-norm transformer computes where it learns nothing: its encoder's states, and greedy decoding, ancestral
// sampling and beam search of its decoder, on processors of every kind.
//
// One call decodes all rows: each thread holds some rows in slots, takes them one token further at a time, and puts the
// next row in the slot of one that ended, whatever the positions of the others. A row's numbers depend on nothing but
// the row, so that the result is the same bit for bit for every batch, order and number of threads. Of beam search the
// same holds with a source and its beams in the place of a row.
// Letters: D width, H heads, d = D/H, F inner width, V outputs, S source length, B sources, k rows of each.

#include "native_encoder.h"

#include <memory>
#include <mutex>

namespace {

constexpr int SLOTS = 24;  // rows that a thread decodes at a time

// What Python gives; native.py has the same fields in the same order.
struct LayerGiven {
    Pair norms[3], query, key_value, out, cross_query, cross_key_value, cross_out, inner, outer;
};

struct Given {
    const LayerGiven* layers;
    Pair norm;
    const float* output;     // (V, D): of the ids from `eos` on
    const float* table;      // (eos + V, D): what an id adds to its position
    const float* positions;  // (max_length, D)
    const float* states;     // (B, S, D): of the sources
    const int64_t* lengths;  // (B,): tokens of the sources
    const double* numbers;   // (B*k, max_length): uniform in [0, 1), to sample with; null: the likeliest
    int64_t* result;         // (B*k, max_length), filled with pads; with beams (B, max_length)
    int64_t count_layers, width, heads, hidden, outputs, bos, eos, sources, source_length, rows, min_length, max_length;
    int64_t threads, half, beams;  // beams 0: rows, greedy or drawn; else k
};

template <class T>
struct Layer {
    Linear<T> query_key_value, out, cross_query, cross_key_value, cross_out, inner, outer;

    std::vector<Packing> packing(const LayerGiven& given, int width, int hidden, int heads) {
        const float scale = 1.0f / std::sqrt(static_cast<float>(width / heads));
        return {
            [=] { query_key_value.pack({given.query, given.key_value}, {width, 2 * width}, width, {scale, 1.0f}); },
            [=] { out.pack({given.out}, {width}, width, {1.0f}); },
            [=] { cross_query.pack({given.cross_query}, {width}, width, {scale}); },
            [=] { cross_key_value.pack({given.cross_key_value}, {2 * width}, width, {1.0f}); },
            [=] { cross_out.pack({given.cross_out}, {width}, width, {1.0f}); },
            [=] { inner.pack({given.inner}, {hidden}, width, {1.0f}); },
            [=] { outer.pack({given.outer}, {width}, hidden, {1.0f}); },
        };
    }
};

// Index of the greatest score, the first of equals; or, with a number, the first whose share of all, with those before
// it, passes the number.
int choose(float* scores, int count, const double* number) {
    if (!number) {
        const int found = static_cast<int>(std::find(scores, scores + count, greatest(scores, count)) - scores);
        return found < count ? found : 0;  // where the model says no numbers, the end
    }
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
    const int64_t share;  // rows of a source
    std::vector<Layer<T>> layers;
    Linear<Full> output;
    std::unique_ptr<Item[]> crosses;  // a Memory of each source and layer
    std::vector<std::once_flag> prepared;
    std::vector<int64_t> order;       // of sources, the longest first, as their rows may be the longest, too
    std::atomic<int64_t> next{0};     // place in the order, of a row or source that no thread has taken yet

    explicit Decoder(const Given& given)
        : given(given), width(given.width), heads(given.heads), depth(width / heads), hidden(given.hidden),
          outputs(given.outputs), share(given.rows / given.sources), layers(given.count_layers),
          crosses(new Item[given.sources * given.count_layers * cross_items()]),
          prepared(given.sources), order(longest_first(given.lengths, given.sources)) {
        std::vector<Packing> all{[this] { output.pack({{this->given.output, nullptr}}, {outputs}, width, {1.0f}); }};
        for (size_t i = 0; i < layers.size(); i++)
            for (Packing& one : layers[i].packing(given.layers[i], width, hidden, heads)) all.push_back(std::move(one));
        each(given.threads, all.size(), [&](int64_t i) { all[i](); });
    }

    size_t cross_items() const { return Memory<T>::items(heads, depth, given.source_length); }
    Memory<T> cross(int64_t source, int layer) const {
        return {heads, depth, static_cast<int>(given.source_length),
                &crosses[(source * given.count_layers + layer) * cross_items()]};
    }

    void run() {
        const int64_t units = given.beams ? given.sources : given.rows, most = SLOTS / std::max<int64_t>(given.beams, 1);
        const int slots = std::clamp<int64_t>((units + given.threads - 1) / given.threads, 1, std::max<int64_t>(most, 1));
        together(given.threads, [&] { given.beams ? search(slots) : decode(slots); });
    }

    // Makes the source's memories, before the first of its rows is decoded.
    void prepare(int64_t source) {
        std::call_once(prepared[source], [&] {
            const float* states = given.states + source * given.source_length * width;
            for (size_t layer = 0; layer < layers.size(); layer++)
                remember(layers[layer].cross_key_value, states, width, given.lengths[source], cross(source, layer));
        });
    }

    struct Slot {
        int64_t row, token, at;  // the row is one of `share` of its source
        int cache;
    };

    // What one thread works with: `slots` rows that it takes one token further at a time, and their caches.
    struct Desk {
        const Decoder& of;
        const int wide, wider, narrow, scored;
        const size_t room;  // items of a cache of one layer
        std::unique_ptr<Item[]> caches;
        std::vector<float> states, wanted, normed;
        std::vector<Item> items;
        Scratch<T> scratch;

        Desk(const Decoder& of, int slots)
            : of(of), wide(up(of.width, COLUMNS)), wider(up(std::max(3 * of.width, of.hidden), COLUMNS)),
              narrow(up(std::max(of.width, of.hidden), T::group)), scored(up(of.outputs, COLUMNS)),
              room(Memory<T>::items(of.heads, of.depth, of.given.max_length)),
              caches(new Item[slots * of.layers.size() * room]), states(slots * wide, 0.0f),
              wanted(slots * std::max(wider, scored)), normed(slots * of.width), items(slots * narrow, 0),
              scratch(std::max(of.given.max_length, of.given.source_length), of.depth) {}

        Memory<T> cache(int which, int layer) {
            return {of.heads, of.depth, static_cast<int>(of.given.max_length),
                    &caches[(which * of.layers.size() + layer) * room]};
        }

        void norm(Pair weights, int rows) {
            for (int i = 0; i < rows; i++) {
                normalise(&states[i * wide], weights, of.width, normed.data());
                round_all<T>(normed.data(), &items[i * narrow], of.width);
            }
        }
        void times(const Linear<T>& map, int rows) {
            multiply(map, items.data(), narrow, rows, wanted.data(), wider);
        }
        void add(const Linear<T>& map, int rows) {
            multiply(map, items.data(), narrow, rows, states.data(), wide, true);
        }

        // Takes the rows one token further: the scores of row i are at wanted + i * scored then.
        void step(const std::vector<Slot>& active) {
            const Given& given = of.given;
            const int rows = active.size(), width = of.width;
            for (int i = 0; i < rows; i++) {
                const float* token = given.table + active[i].token * width;
                const float* position = given.positions + active[i].at * width;
                for (int j = 0; j < width; j++) states[i * wide + j] = token[j] + position[j];
            }
            for (size_t l = 0; l < of.layers.size(); l++) layer(active, l);
            for (int i = 0; i < rows; i++) normalise(&states[i * wide], given.norm, width, &normed[i * width]);
            multiply(of.output, normed.data(), width, rows, wanted.data(), scored);
        }

        void layer(const std::vector<Slot>& active, int l) {
            const Layer<T>& layer = of.layers[l];
            const int rows = active.size(), width = of.width;
            norm(of.given.layers[l].norms[0], rows);
            times(layer.query_key_value, rows);
            for (int i = 0; i < rows; i++) {
                const float* query = &wanted[i * wider];
                Memory<T> own = cache(active[i].cache, l);
                own.put(active[i].at, query + width, query + 2 * width);
                attend(query, own, active[i].at + 1, scratch, &items[i * narrow]);
            }
            add(layer.out, rows);
            norm(of.given.layers[l].norms[1], rows);
            times(layer.cross_query, rows);
            for (int i = 0; i < rows; i++) {
                const int64_t source = active[i].row / of.share;
                attend(&wanted[i * wider], of.cross(source, l), of.given.lengths[source], scratch, &items[i * narrow]);
            }
            add(layer.cross_out, rows);
            norm(of.given.layers[l].norms[2], rows);
            times(layer.inner, rows);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < of.hidden; j++)
                    items[i * narrow + j] = T::item(std::max(wanted[i * wider + j], 0.0f));
            add(layer.outer, rows);
        }
    };

    void decode(int slots) {
        Desk desk(*this, slots);
        std::vector<Slot> active;
        const auto take = [&](int cache) {
            const int64_t at = next++;
            if (at >= given.rows) return;
            prepare(order[at / share]);
            active.push_back({order[at / share] * share + at % share, given.bos, 0, cache});
        };
        for (int i = 0; i < slots; i++) take(i);
        while (!active.empty()) {
            desk.step(active);
            for (int i = active.size() - 1; i >= 0; i--) {
                Slot& slot = active[i];
                float* scores = &desk.wanted[i * desk.scored];
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

    // A hypothesis: its ids, their summed log-probability, and the cache of what it has said, which one that ended needs
    // no more.
    struct Beam {
        std::vector<int64_t> tokens;
        float total;
        bool done;
        int cache;
        float rank() const { return total / tokens.size(); }
    };

    struct Search {
        int64_t source;
        int first;  // of the k caches that are its own
        std::vector<Beam> beams;
    };

    // A beam and what it goes on with; where it has ended, as itself.
    struct Candidate {
        float rank, total;
        int beam, choice;
    };

    // decoding.py's beam_search; what is impossible is left out where it has beams of probability 0.
    void search(int slots) {
        Desk desk(*this, slots * share);
        std::vector<Search> searches;
        const auto take = [&](int first) {
            const int64_t at = next++;
            if (at >= given.sources) return;
            prepare(order[at]);
            searches.push_back({order[at], first, {{{}, 0.0f, false, first}}});
        };
        for (int i = 0; i < slots; i++) take(i * share);
        std::vector<Slot> active;
        while (!searches.empty()) {
            active.clear();
            for (const Search& one : searches)
                for (const Beam& beam : one.beams)
                    if (!beam.done)
                        active.push_back({one.source * share, beam.tokens.empty() ? given.bos : beam.tokens.back(),
                                          static_cast<int64_t>(beam.tokens.size()), beam.cache});
            desk.step(active);
            const float* scores = desk.wanted.data();
            std::vector<int> ended;
            for (size_t i = 0; i < searches.size(); i++)
                if (grow(desk, searches[i], scores)) ended.push_back(i);
            for (int i = ended.size() - 1; i >= 0; i--) {
                const Search over = std::move(searches[ended[i]]);
                const auto& tokens = over.beams.front().tokens;
                std::copy(tokens.begin(), tokens.end(), given.result + over.source * given.max_length);
                searches.erase(searches.begin() + ended[i]);
                take(over.first);
            }
        }
    }

    // Takes the scores of the beams that go on, and leaves the best k of what they become. Returns whether it is over.
    bool grow(Desk& desk, Search& one, const float*& scores) {
        std::vector<Candidate> best;
        std::vector<float> shares(up(outputs, LANES));
        int64_t length = 0;  // of what goes on
        for (size_t b = 0; b < one.beams.size(); b++) {
            const Beam& beam = one.beams[b];
            if (beam.done) {
                offer(best, {beam.rank(), beam.total, static_cast<int>(b), 0});
                continue;
            }
            length = beam.tokens.size() + 1;
            const float most = greatest(scores, outputs);
            std::copy_n(scores, outputs, shares.begin());
            const float whole = std::log(soften(shares.data(), outputs));
            for (int from = 0; from < outputs; from += LANES) {
                const Floats totals = all(beam.total) + (load(scores + from) - all(most) - all(whole));
                const bool full = static_cast<int64_t>(best.size()) == share;  // what is worse by more than rounding is left
                if (full && greatest_of(totals) <= best.back().rank * length * 1.00001f) continue;
                float lanes[LANES];
                store(lanes, totals);
                for (int v = from; v < std::min(from + LANES, outputs); v++)
                    if (const float total = lanes[v - from]; total > -INFINITY)
                        offer(best, {total / length, total, static_cast<int>(b), v});
            }
            scores += desk.scored;
        }
        if (best.empty()) best.push_back({0.0f, 0.0f, 0, 0});  // the model says no numbers
        one.beams = become(desk, one, best);
        const bool going = std::any_of(one.beams.begin(), one.beams.end(), [](const Beam& beam) { return !beam.done; });
        return !going || length == given.max_length;
    }

    // The best k in order; one that comes later is behind those of its rank.
    void offer(std::vector<Candidate>& best, const Candidate& one) const {
        if (static_cast<int64_t>(best.size()) == share) {
            if (!(one.rank > best.back().rank)) return;
            best.pop_back();
        }
        best.insert(std::upper_bound(best.begin(), best.end(), one,
                                     [](const Candidate& a, const Candidate& b) { return a.rank > b.rank; }), one);
    }

    // The beams of the candidates. The first that goes on from a beam has its cache, the others a copy.
    std::vector<Beam> become(Desk& desk, const Search& one, const std::vector<Candidate>& best) {
        std::vector<Beam> beams;
        std::vector<bool> taken(share, false);
        std::vector<size_t> copies;
        for (const Candidate& candidate : best) {
            const Beam& from = one.beams[candidate.beam];
            beams.push_back(from);
            Beam& beam = beams.back();
            if (from.done) continue;
            beam.tokens.push_back(given.eos + candidate.choice);
            beam.total = candidate.total;
            beam.done = candidate.choice == 0;
            if (beam.done) continue;
            if (taken[from.cache - one.first]) copies.push_back(beams.size() - 1);
            taken[from.cache - one.first] = true;
        }
        for (const size_t which : copies) {
            const int free = std::find(taken.begin(), taken.end(), false) - taken.begin(), from = beams[which].cache;
            taken[free] = true;
            beams[which].cache = one.first + free;
            for (size_t l = 0; l < layers.size(); l++)
                desk.cache(one.first + free, l).copy(desk.cache(from, l), beams[which].tokens.size());
        }
        return beams;
    }
};

}  // namespace

extern "C" void encode(const EncoderGiven* given) {
    given->half ? Encoder<Half>(*given).run() : Encoder<Full>(*given).run();
}

extern "C" void decode(const Given* given) {
    given->half ? Decoder<Half>(*given).run() : Decoder<Full>(*given).run();
}
