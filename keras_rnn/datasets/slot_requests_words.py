"""The rules of `slot_requests`: data only, read by its grammar.

A rule is a list of alternatives, separated by `|`. Those after `||` are held out: no training row uses them. In an
alternative, `{rule}` is another rule, `{rule?}` is one that every other row leaves out, `[slot]` is a slot filled by
the rule of its own name, `[slot:rule]` is a slot filled by another rule, and `#` is a digit. All else are tokens.
"""

# What is asked for. A phrase of travel or shopping stands behind an opening such as "I need" or alone.
REQUESTS = {
    "request": """{hello?} {wish} {thing} {end?} | {hello?} {wish} {thing} {end?} | {hello?} {thing} {end?}
        | {hello?} {sentence} {end?} | {hello?} {sentence} {end?}""",
    "hello": """hi , | hello | hello there , | um | ok so | good morning , | good evening , | hey | right ,
        | sorry , | well""",
    "wish": """I need | book me | find me | can you find | I'd like | may I have | could I get | show me
        | get me | uh I need | looking for | we want | please reserve | is there | may we book | we may need
        | I will take | we are after""",
    "end": ". | ? | please | please . | thanks | , thank you | ! | if you can | asap | , will that work ? | , cheers",
    "thing": """{flight} | {flight} | {flight} | {lodging} | {lodging} | {lodging} | {train} | {train} | {taxi}
        | {taxi} | {goods} | {goods} | {goods} | {table} | {table}""",
    "sentence": """{journey} | {journey} | {stay} | {ride} | {shopping} | {shopping} | {giving_back}
        | {giving_back} | {hours} | {hours} | {reminder} | {reminder} | {reminder} | {reminder} | {service}
        | {service} | {tracking}""",
}

TRAVEL = {
    "flight": """{fare} {route} {terms?} | {fare} {route} {when} | {fare} {route} {when} {terms}
        | [people] {tickets} {route} {when?} {limit?}""",
    "fare": """a flight | flights | the cheapest flight | a direct flight | a ticket | a [travel_class] seat
        | a [airline] flight | a seat with [airline] | a return ticket""",
    "route": """from [from_city] to [to_city] | from [from_city] to [to_city] | to [to_city] from [from_city]
        | [from_city] to [to_city] | to [to_city] | out of [from_city] | leaving [from_city] for [to_city]
        | into [to_city] from [from_city] | back to [to_city] from [from_city] | [from_city] - [to_city]""",
    "terms": """for [people] | for [people] people | in [travel_class] | {limit}
        | [travel_class] | for [people] in [travel_class] | for [people] {limit}""",
    "when": """on [date:day] | [date:relative] | in [date:month] | at [time] | on [date:day] at [time]
        | before [time] | [date:relative] at [time] | around [time] on [date:day] | after [time] [date:relative]
        | for [date:relative]""",
    "journey": """I am in [from_city] and have to be in [to_city] {when}
        | how do I get to [to_city] from [from_city] {when?} | we fly from [from_city] to [to_city] {when}
        | what is it to fly to [to_city] {limit?} {when?} | my trip to [to_city] starts in [from_city] {when}
        | does [airline] go from [from_city] to [to_city] {when?}
        | I live in [from_city] , get me to [to_city] {when?} | will [airline] take me to [to_city] for [price]
        | [to_city] from [from_city] {when} , [people] of us | change my flight from [from_city] to [date:day]
        | change my [to_city] flight from [date:day] to [date:day]
        | move the [to_city] trip from [date:day] to [date:relative]""",
    "lodging": """a [room_type] in [city] {nights} | a [room_type] at [hotel] {nights?}
        | [hotel] in [city] {nights} {when?} | [people] [room_type:room_types] in [city] {when?}
        | [nights:number] nights in [city] {budget?} {when?} | a room in [city] {budget} {when?}
        | a [room_type] for [people] in [city] {nights?} {when?} | a hotel in [city] {nights?} {budget?}
        | a [room_type] at [hotel] in [city] {when} {budget?}""",
    "nights": "for [nights:number] nights | for [nights:number] nights | , [nights:number] nights",
    "budget": "under [price] | under [price:amount] | for [price] a night | below [price:amount] | for up to [price]",
    "stay": """does [hotel] have a [room_type] {when} | how much is a [room_type] at [hotel] {when?}
        | is [hotel] in [city] full | we stay at [hotel] {nights} {when} | I will be in [city] {nights} {when?}
        | cancel my [nights:number] nights at [hotel]
        | what is [city] like in [date:month] , and is [hotel] free
        | we are [people] and need a [room_type] in [city]""",
    "train": """a train {rails} {when?} {limit?} | trains {rails} {when} | [people] train tickets {rails}
        | the next train {rails} | the [time] train {rails} | the [time] to [to_city:stop]
        | a [travel_class] seat on the [time] to [to_city:stop]""",
    "rails": """from [from_city:stop] to [to_city:stop] | to [to_city:stop] from [from_city:stop]
        | to [to_city:stop] | [from_city:stop] to [to_city:stop] | from [from_city:stop]""",
    "taxi": """a taxi {drive} {when?} | a cab for [people] {drive} | a car {drive} {when}
        | a taxi at [time] {drive} | a cab at [pickup:place] for [people] {when?}""",
    "drive": """from [pickup:place] to [dropoff:place] | to [dropoff:place] from [pickup:place]
        | to [dropoff:place] | from [pickup:place]""",
    "ride": """pick me up at [pickup:place] at [time]
        | pick [people] of us up at [pickup:place] and drive to [dropoff:place]
        | I am at [pickup:place] and need a ride to [dropoff:place] | drive me to [dropoff:place] {when?}
        | will a cab to [dropoff:place] cost [price] | collect [person] from [pickup:place] at [time]""",
    "table": """a table for [people] at [restaurant] {when?} | a table at [restaurant] {when} for [people]
        | dinner at [restaurant] in [city] for [people] {when?} | lunch for [people] at [time] at [restaurant]""",
    "tickets": "tickets | seats | [travel_class] tickets | seats with [airline] | tickets on a [airline] flight",
    "limit": "under [price] | under [price:amount] | for less than [price] | for [price] at most | for [price]",
}

SHOPPING = {
    "goods": "{items} | {items} from [store] | {items} for [price] | {items} under [price:amount] | {items} {when}",
    "items": "{item} | {item} | {item} and {item}",
    "item": """[quantity] [product:garments] | [quantity] [color] [product:garments]
        | [quantity] [size] [product:garments] | a [product:garment] | a [product:gadget]
        | a [color] [product:garment] | a [size] [product:garment] | a [size] [color] [product:garment]
        | the [product:garment] in [color] | [product:garments] in size [size:number] | the [product]
        | [quantity] of the [product:garments] | [quantity] [product:groceries] | [quantity] [product:groceries]
        | [quantity] [product:papers] | a [color] [product:gadget] | [product:groceries]""",
    "shopping": """order {items} from [store] {when?} | add {items} to my cart | buy {items} at [store]
        | put {items} on my list | does [store] sell {item} | how much is the [product] at [store]
        | please send {items} to [person] {when?} | have {items} sent to [dropoff:place] {when?}
        | change the [color] [product:garment] to [color] | is the [product] under [price:amount]
        | do you have the [product] in [color] and size [size:number] | can [person] get {items}
        | order {items} for [person]""",
    "giving_back": """return the [product] from order [order_number]
        | I want to send back {item} , it is [reason] | the [product] is [reason]
        | my [product] from [store] is [reason] , can I return it | exchange the [product] , it is [reason]
        | order [order_number] was [reason]
        | I got [quantity] [product:garments] in order [order_number] and paid [price]
        | give me my [price] back for the [product]
        | the [color] [product:garment] in [order_number] is [reason]""",
    "hours": """when does [store] open {when?} | is [store] in [city] open {when}
        | what time does [restaurant] close {when?} | opening hours of [store] in [city]
        | will [restaurant] be open {when} | until when is [store] open {when?} | may I come to [store] {when}
        | is [restaurant] in [city] closed in [date:month]""",
    "tracking": """where is order [order_number] | where is my [product] | track [order_number]
        | has [order_number] arrived | has order [order_number] with the [product] left [store]
        | order [order_number] is late | cancel order [order_number] | will [order_number] be here {when}
        | when will my [quantity] [product:garments] from [store] arrive""",
    "service": """send [quantity] [product:supply] to room [room]
        | room [room] needs [quantity] [product:supply] {when?} | wake up call for room [room] at [time]
        | the bill for room [room] is [price] , not [price] | clean room [room] {when?}
        | bring the [product:supply] to [room] | [quantity] [product:supply] for room [room]
        | room [room] leaves {when}""",
    "reminder": """remind [person] to [task] | remind [person] {when} to [task] | remind me to [task] {when}
        | remind me to [task] | at [time] remind me to [task] | {when} tell [person] to [task]
        | tell [person] to [task] | I must [task] {when} | do not let [person] forget to [task]
        | set a reminder for [time] to [task] | note for [person] : [task] | ask [person] to [task] {when?}
        | will [person] [task] {when?} | may [person] [task]""",
}

# Slots of one value out of a closed list, or of a few forms.
CLOSED = {
    "number": "2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 12 | two | three | four | five | six | seven | eight",
    "people": "{number}",
    "quantity": "{number} | {number} | {number} | 1# | 2# | a dozen",
    "time": """{number} | {number} | # pm | # am | 11 am | noon | midnight | #:15 | #:30 | 1#:45 | 1#:20
        | half past {number} | quarter to {number} | {number} o'clock | # in the morning
        | {number} in the evening""",
    "price": "# euros | ## euros | ## dollars | $## | $### | 1## pounds | {number} hundred euros | ##.50 euros",
    "month": """January | February | March | April | May | June | July | August | September | October | November
        | December""",
    "weekday": "Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday",
    "relative": """today | tomorrow | tonight | next {weekday} | this {weekday} | next week | tomorrow night
        | the day after tomorrow""",
    "ordinal": "first | second | third | fourth | 5th | 8th | 11th | 1#th | 21st | 22nd | 3rd | 30th",
    "day": """{weekday} | {weekday} | the {ordinal} | the {ordinal} of {month} | {month} {ordinal} | {month} #
        | 1# {month} | {month} the {ordinal} | {weekday} the {ordinal} | Christmas Eve | New Year's Day""",
    "travel_class": "first class | business class | economy | premium economy | business | second class",
    "room_type": """single room | double room | twin room | family room | suite | business suite | double
        | single | quiet room""",
    "room_types": "single rooms | double rooms | twin rooms | suites | family rooms",
    "size": "small | medium | large | extra large | tiny",
    "color": """red | blue | green | black | white | orange | rose | grey | navy blue | dark green
        || teal | crimson | light grey""",
    "reason": """too small | too large | broken | damaged | the wrong color | {color} , not {color}
        | {number} days late | not {color} | missing a part | the wrong size | a size too small
        || torn | dented | leaking""",
    "room": "# | ## | 1## | 2## | {number} | ###",
    "order_number": "#### | ##### | ###### | A#### | B##-### | ##-####",
    "amount": "## | ### | {price}",
}

# Slots of names, and what names are built of: a city may be part of a hotel, a street, a shop or a product.
NAMES = {
    "from_city": "{city}",
    "to_city": "{city}",
    "city": """London | Paris | Vienna | Boston | Berlin | Madrid | Rome | Dublin | Chicago | Denver | Athens
        | Prague | Sydney | Austin | Victoria | Florence | Oxford | Bath | Nice | Reading | Orange | Phoenix
        | Cork | Split | Jordan | Lima | Cairo | Tokyo | New York | San Francisco | Los Angeles | Hong Kong
        | Buenos Aires | Panama City | Milan | Munich | Hamburg
        || Lisbon | Oslo | Geneva | Zagreb | Porto | Seville | Montreal | Toronto | San Diego | New Orleans
        | Cape Town | Charlotte | Adelaide | Krakow""",
    "person": """Anna | April | May | June | Jordan | Paris | Victoria | Sydney | Austin | Will | Mark | Rose
        | Florence | Tom | Peter | Maria | Mr Baker | Mrs Young | my mother | our guide | Grace | Frank
        | Dr Green | Ms London
        || Ingrid | Oliver | Pedro | Charlotte | Adelaide | Mr Foster | my aunt | Hope | Dr Black""",
    "surname": """Baker | Miller | Young | Green | London | Rose | King | Bell | Mason
        || Foster | Parker | Hunter | Black""",
    "airline": """Air {city} | {city} Airways | Blue Wings | Sunday Air | Northern | Red Arrow | Skyline
        | Two Rivers Air
        || Polar Jet | Eastwind""",
    "hotel": """Hotel {city} | {city} Inn | {city} Lodge | Grand {city} | {surname} House | Hotel {surname}
        | The {color} Door Hotel | May Fair Inn | Hotel Seven | Park Palace
        || Hotel Meridian | Harbour Inn | Grand Rivoli""",
    "stop": """{city} | {city} | {city} | {city} Central | {city} North | Kings Cross | Euston | Gare du Nord
        || Paddington | Atocha""",
    "street": """Baker | Victoria | London | May | High | King | Station | Park | Orange | Rose
        || Foster | Lisbon | Mill | Harbour""",
    "place": """the airport | my office | {hotel} | {hotel} | {number} {street} Street | 1# {street} Road
        | {city} Central station | the {surname} museum | home | {restaurant} | {street} Street
        || the harbour | the embassy | {street} Square""",
    "restaurant": """Bistro {city} | Casa {person} | {city} Grill | The {color} Fork | Cafe {surname}
        | Seven Stars | Four and Twenty | Little {city} | Sunday Kitchen
        || Trattoria {surname} | The Copper Pot | Blue Lantern""",
    "store": """{surname} & Sons | {city} Books | {surname} Shoes | Green Market | {city} Outlet | Orange Shop
        | The Tea House | {color} Corner | Nine to Five | {surname} 's
        || {city} Bikes | Harbour Market | Corner Bakery""",
    "product": "{garment} | {gadget} | {groceries} | {papers} | {garments}",
    "garment": """scarf | jacket | raincoat | sweater | London fog coat | Panama hat | backpack | Oxford shirt
        | Jordan jersey | winter coat | dress
        || Bermuda shirt | cardigan | vest | poncho""",
    "garments": """scarves | jackets | sweaters | running shoes | boots | Oxford shoes | Panama hats | socks
        | cotton shirts | Florence sandals
        || gloves | hiking boots | Geneva shirts | mittens""",
    "gadget": """lamp | kettle | umbrella | coffee maker | phone case | two person tent | king size pillow
        | first aid kit | Berlin desk | suitcase
        || tripod | toaster | blanket | phone charger""",
    "groceries": """orange juice | white wine | red wine | black tea | green tea | dark chocolate | apples
        | Vienna coffee | New York cheesecake | Boston cream pie | bath salt | rose soap | nine volt batteries
        | Cork butter
        || Seville oranges | olive oil | Lisbon tarts | muesli""",
    "papers": """{city} travel guides | {city} guide books | maps of {city} | May roses | Sunday papers
        | {city} calendars | business cards | second class stamps
        || {city} posters | {city} snow globes | notebooks""",
    "supply": """towels | pillows | blankets | bottles of water | black tea | menu | keys | pots of tea
        || bathrobes | slippers""",
    "task": "{do} | {do} | {do} and {do}",
    "do": """call {person} | call {hotel} | email {person} | pack the {garment} | buy {number} {garments}
        | buy a {color} {garment} | book a {room_type} in {city} | check in for the {city} flight
        | pay the {number} euros | visit {person} in {city} | pick up {person} from the airport
        | return the {product} to {store} | fly to {city} | print the tickets to {city} | water the roses
        | feed the cat | order {groceries} | book {travel_class} | ask about room {room} | thank {person}
        | renew my passport | send {person} order {order_number} | meet {person} at {restaurant}
        | find the {product}
        || walk the dog | mail the {product} | visit {store} | sign the forms | confirm the {city} booking""",
}

RULES = {**REQUESTS, **TRAVEL, **SHOPPING, **CLOSED, **NAMES}
